"""Recordings as people have them: every kind comes in, and everything wrong is said with its file and line."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.common import importers, manifests
from training.common.errors import DataError
from training.common.manifests import Limits


def record(path: Path, seconds: float = 0.5, rate: int = 16_000, level: float = 0.1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    sound = level * np.sin(2 * np.pi * 300 * np.arange(round(seconds * rate)) / rate)
    soundfile.write(path, sound, rate)
    return path


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def brought(form: str, source: Path, **options) -> tuple[list[tuple], list[str]]:
    clips, problems = importers.check(importers.FORMATS[form](source), language="fr", **options)
    return [(clip.audio.name, clip.text, clip.language, clip.speaker) for clip in clips], list(map(str, problems))


def test_a_folder_of_pairs(tmp_path):
    record(tmp_path / "one.wav")
    write(tmp_path / "one.txt", "Bonjour\nà tous.\n")
    record(tmp_path / "anne" / "two.FLAC".lower(), rate=44_100)
    write(tmp_path / "anne" / "two.txt", "\ufeffDeux.")
    assert brought("folder", tmp_path, speaker="paul") == (
        [("two.flac", "Deux.", "fr", "anne"), ("one.wav", "Bonjour à tous.", "fr", "paul")],
        [],
    )


@pytest.mark.parametrize("texts", ["reports", "texts"])
def test_two_folders_of_the_same_names(tmp_path, texts):
    record(tmp_path / "audio" / "1.wav")
    write(tmp_path / texts / "1.txt", "Un.")
    record(tmp_path / "audio" / "2.wav")
    clips, problems = brought("folder", tmp_path)
    assert clips == [("1.wav", "Un.", "fr", "")]
    assert problems == [f"{tmp_path / 'audio' / '2.wav'}:1: audio with no text beside it"]


def test_everything_wrong_in_a_folder_is_said_at_once(tmp_path):
    for name in ("good", "untexted", "wordless", "long", "short", "cut", "silent"):
        record(
            tmp_path / f"{name}.flac", {"long": 3.0, "short": 0.02}.get(name, 0.5), level=0 if name == "silent" else 0.1
        )
    whole = (tmp_path / "cut.flac").read_bytes()
    (tmp_path / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.wav").touch()
    write(tmp_path / "broken.wav", "this is no sound")
    soundfile.write(tmp_path / "nothing.wav", np.zeros(0), 16_000)
    for name in ("good", "long", "short", "cut", "silent", "empty", "broken", "nothing", "soundless"):
        write(tmp_path / f"{name}.txt", "Un.")
    write(tmp_path / "wordless.txt", " \n")
    (tmp_path / "latin.txt").write_bytes(b"\xe9t\xe9")
    record(tmp_path / "latin.wav")
    clips, problems = brought("folder", tmp_path, limits=Limits(max_s=2.0))
    assert [clip[0] for clip in clips] == ["good.flac"]
    for file, reason in {
        "untexted.flac": "audio with no text",
        "soundless.txt": "text with no audio",
        "wordless.txt": "the text is empty",
        "long.txt": "more than the limit of 2 s",
        "short.txt": "less than 0.1 s",
        "cut.txt": "corrupt file",
        "empty.txt": "empty audio",
        "nothing.txt": "empty audio",
        "silent.txt": "silent throughout",
        "broken.txt": "corrupt file",
        "latin.txt": "UTF-8",
    }.items():
        (said,) = [problem for problem in problems if problem.startswith(f"{tmp_path / file}:1: ")]
        assert reason in said
    assert len(problems) == 11


def test_a_table_names_the_line_of_each_problem(tmp_path):
    record(tmp_path / "clips" / "1.wav")
    table = write(
        tmp_path / "table.csv",
        'audio,sentence,speaker,language\nclips/1.wav,"Un, deux.",anne,fr-FR\nclips/2.wav,Deux.,,\n,Trois.,,\nclips/1.wav,,,\n',
    )
    clips, problems = brought("csv", table)
    assert clips == [("1.wav", "Un, deux.", "fr", "anne")]
    assert sorted(problems) == [
        f"{table}:3: 2.wav: text with no audio: there is no such file",
        f"{table}:4: text with no audio: the column is empty",
        f"{table}:5: audio with no text: the text is empty",
    ]


def test_a_table_without_its_columns_is_refused_with_those_it_has(tmp_path):
    table = write(tmp_path / "table.csv", "sound,words\na.wav,b\n")
    with pytest.raises(DataError, match=r"table\.csv:1: no column 'audio'.*sound, words"):
        importers.table(table)
    with pytest.raises(DataError, match="cannot be read"):
        importers.table(tmp_path / "none.csv")


def test_librispeech(tmp_path):
    for name in ("84-121123-0000", "84-121123-0001", "84-121123-0002"):
        record(tmp_path / "84" / "121123" / f"{name}.flac")
    transcript = write(
        tmp_path / "84" / "121123" / "84-121123.trans.txt",
        "84-121123-0000 GO DO YOU HEAR\n84-121123-0001\n84-121123-0009 GONE\n",
    )
    clips, problems = brought("librispeech", tmp_path)
    assert clips == [("84-121123-0000.flac", "go do you hear", "fr", "84")]
    assert sorted(problems) == [
        f"{transcript.parent / '84-121123-0002.flac'}:1: audio with no text in a .trans.txt",
        f"{transcript}:2: audio with no text: the text is empty",
        f"{transcript}:3: 84-121123-0009.flac: text with no audio: there is no such file",
    ]


def test_common_voice_keeps_its_quotation_marks(tmp_path):
    record(tmp_path / "clips" / "a.mp3", 1.0)
    write(tmp_path / "validated.tsv", 'client_id\tpath\tsentence\tlocale\nx1\ta.mp3\t"Oui", dit-il.\tfr\n')
    assert brought("common-voice", tmp_path) == ([("a.mp3", '"Oui", dit-il.', "fr", "x1")], [])
    assert brought("common-voice", tmp_path / "validated.tsv")[1] == []


def test_what_was_imported_is_read_back_as_a_manifest(tmp_path):
    record(tmp_path / "in" / "1.wav", 0.75)
    write(tmp_path / "in" / "1.txt", "Un.")
    clips, _ = importers.check(importers.folder(tmp_path / "in"), language="fr")
    manifests.write(tmp_path / "out" / "manifest.jsonl", clips)
    back, problems = manifests.read(tmp_path / "out" / "manifest.jsonl")
    assert (back, problems) == (clips, [])
    assert back[0].duration == 0.75


def test_a_source_that_is_not_there_is_one_clear_line(tmp_path):
    for form in ("folder", "librispeech"):
        with pytest.raises(DataError, match="no such folder"):
            importers.FORMATS[form](tmp_path / "none")
