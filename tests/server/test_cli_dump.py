"""`allo dump export`: calls become files, and data only where somebody says that they may."""

import json
import shutil

import msgspec
import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner

from pipelines.actions import TurnTaken
from pipelines.frames import TELEPHONE
from pipelines.replay.dump import EVENTS, META, Dump, read_dump
from pipelines.replay.sealed import PLAIN, VARIABLE, Keys, is_sealed
from server.cli_dump import dump as app
from server.observe.recorder import Recorder
from tests.golden.behaviours import FOLDER
from tests.helpers.replay import two_parties
from training.common.manifests import read

WHO = ("--consent", "the practice's terms, section 4")


def export(*arguments):
    result = CliRunner().invoke(app, ["export", *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def save(dump: Dump, root, **more):
    recorder = Recorder(root)
    recording = recorder.open(msgspec.structs.replace(dump.meta, **more))
    for step in dump.steps:
        recording.write(step.at, step.event, step.actions)
    folder = recording.close().result(10)
    recorder.close()
    return folder


@pytest.fixture
def folder(tmp_path):
    """29 seconds of two real voices, in one of which a name is said."""
    return save(two_parties(), tmp_path / "calls")


def test_every_form_of_a_call(folder, tmp_path):
    out = tmp_path / "out"
    forms = [f for form in ("wav", "json", "srt", "vtt", "textgrid") for f in ("--to", form)]
    assert export(folder, *forms, "-o", out).exit_code == 0
    samples, rate = soundfile.read(out / f"{folder.name}.wav")
    assert samples.shape == (29 * rate, 2)
    told = json.loads((out / f"{folder.name}.json").read_text())
    assert "Fitilly" in told["turns"][1]["text"]
    assert "barge_in" in {fact["fact"] for fact in told["facts"]}
    assert told["captions"]
    assert {path.suffix for path in out.iterdir()} == {".wav", ".json", ".srt", ".vtt", ".TextGrid"}


def test_a_manifest_is_read_by_training(folder, tmp_path):
    shutil.copytree(FOLDER / "languages", tmp_path / "calls" / "languages")
    out = tmp_path / "out"
    result = export(tmp_path / "calls", "--to", "manifest", "-o", out, *WHO)
    assert result.exit_code == 0, result.output
    clips, problems = read(out / "manifest.jsonl")
    assert not problems
    assert [clip.text for clip in clips if clip.language == "fr"] == ["Bonjour, je voudrais un rendez-vous.", "Okay."]
    spelled = next(clip for clip in clips if clip.text.startswith("F, I, T"))
    sound, rate = soundfile.read(spelled.audio)
    assert abs(len(sound) / rate - spelled.duration) < 0.01
    assert np.abs(sound).max() > 0.05
    assert len({clip.speaker for clip in clips}) == 2
    text = (out / "manifest.jsonl").read_text()
    assert "+15550001" not in text
    assert '"consent":"the practice\'s terms, section 4"' in text


def test_without_anybodys_word_there_is_no_data(folder, tmp_path):
    result = export(folder, "--to", "manifest", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "--consent" in result.output.replace("\n", " ")
    assert not (tmp_path / "out" / "manifest.jsonl").exists()


def test_a_call_that_says_so_itself_needs_no_more(tmp_path):
    folder = save(two_parties(), tmp_path / "calls", consent="asked at the beginning of the call")
    assert export(folder, "--to", "manifest", "-o", tmp_path / "out", "--consent", "somebody else").exit_code == 0
    assert '"consent":"asked at the beginning of the call"' in (tmp_path / "out" / "manifest.jsonl").read_text()


def test_redacted_words_are_in_no_form_and_their_sound_is_gone(folder, tmp_path):
    plain, out = tmp_path / "plain", tmp_path / "out"
    forms = [f for form in ("wav", "json", "srt", "vtt", "textgrid", "manifest") for f in ("--to", form)]
    assert export(folder, *forms, "-o", plain, *WHO).exit_code == 0
    result = export(folder, *forms, "-o", out, "--redact", *WHO)
    assert result.exit_code == 0
    assert "left out" in result.output
    for path in out.rglob("*"):
        assert b"Fitilly" not in (path.read_bytes() if path.is_file() else b"")
    assert "My last name is [name]." in (out / f"{folder.name}.srt").read_text()
    (before, rate), (after, _) = (soundfile.read(root / f"{folder.name}.wav") for root in (plain, out))
    said = slice(round(7.4 * rate), round(11.5 * rate))
    assert np.abs(before[said, 0]).max() > 0.05
    assert not after[said, 0].any()
    assert (after[: 7 * rate] == before[: 7 * rate]).all()


def test_a_broken_call_hides_no_other(folder, tmp_path):
    bad = tmp_path / "calls" / "bad"
    bad.mkdir()
    (bad / META).write_text("{}")
    result = export(tmp_path / "calls", "--to", "srt", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert (tmp_path / "out" / f"{folder.name}.srt").exists()


@pytest.mark.parametrize("arguments", [("nowhere", "--to", "srt"), (".", "--to", "srt")])
def test_what_is_no_call_is_said(tmp_path, arguments):
    name, *more = arguments
    assert export(tmp_path / name, *more, "-o", tmp_path / "out").exit_code == 2


def test_a_dump_that_was_cut_short_is_exported_as_far_as_it_goes(folder, tmp_path):
    lines = (folder / EVENTS).read_bytes().splitlines(keepends=True)
    (folder / EVENTS).write_bytes(b"".join(lines[: len(lines) // 2]))
    (folder / "transcript.json").unlink()
    assert export(folder, "--to", "srt", "--to", "wav", "-o", tmp_path / "out").exit_code == 0
    taken = [a for _, a in read_dump(folder).actions(TurnTaken)]
    assert taken
    assert read_dump(folder).meta.inbound == TELEPHONE


# ---- forgetting


@pytest.fixture
def calls(tmp_path):
    """Two recorded calls of different callers: their folders."""
    root = tmp_path / "calls"
    return [save(two_parties(), root, call_id=f"CA{n}", caller=f"+3361234567{n}", called="+1999") for n in (1, 2)]


def forget(*arguments, says="n"):
    return CliRunner().invoke(app, ["forget", *map(str, arguments)], input=says)


@pytest.mark.parametrize("which", [("--number", "+33 6 12 34 56 71"), ("--call", "CA1")])
def test_calls_are_forgotten_by_number_or_call(calls, which):
    one, two = calls
    forget(one.parent, *which)  # on second thoughts not
    assert one.exists()
    result = forget(one.parent, *which, "--yes")
    assert (result.exit_code, one.exists(), two.exists()) == (0, False, True)
    assert "1 removed" in result.output
    left = b"".join(path.read_bytes() for path in one.parent.rglob("*") if path.is_file())
    assert b"+33612345671" not in left
    assert "0 recorded calls" in forget(one.parent, *which, "--yes").output


def test_nothing_is_forgotten_that_was_not_named(calls, tmp_path):
    root = calls[0].parent
    for wrong in ((root,), (root, "--number", "1", "--call", "x"), (tmp_path / "nowhere", "--call", "x")):
        assert forget(*wrong, "--yes").exit_code == 2
    assert "0 recorded calls" in forget(root, "--number", "' OR 1=1", "--yes").output
    assert "0 recorded calls" in forget(root, "--call", "../..", "--yes").output
    assert all(folder.exists() for folder in calls)


# ---- sealed

OLD, NEW = Keys([b"o" * 32]), Keys([b"n" * 32])


def run(monkeypatch, keys, *arguments):
    monkeypatch.setenv(VARIABLE, keys.text())
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_a_key_is_changed_for_another_and_nothing_is_lost(folder, tmp_path, monkeypatch):
    """Plain, then sealed, then sealed with another key: the same call, for who has the latest."""
    before = read_dump(folder)
    (folder / "analysis.json").write_bytes(b"{}")
    assert run(monkeypatch, PLAIN, "seal", folder.parent).exit_code == 2
    for keys in (OLD, NEW + OLD):
        assert run(monkeypatch, keys, "seal", folder.parent).exit_code == 0
        assert all(keys.has_sealed(path.read_bytes()) for path in folder.iterdir())
    assert "sealed" not in run(monkeypatch, NEW, "seal", folder.parent).output
    assert read_dump(folder, NEW) == before
    assert NEW.read_file(folder / "analysis.json") == b"{}"
    config = tmp_path / "allo.toml"
    config.write_text(f'[recording]\nkey = "file:{tmp_path / "key"}"\n')
    (tmp_path / "key").write_text(NEW.text())
    result = run(monkeypatch, PLAIN, "export", folder, "--to", "json", "-o", tmp_path / "out", "--config", config)
    assert result.exit_code == 0
    result = run(monkeypatch, OLD, "export", folder, "--to", "json", "-o", tmp_path / "out")
    assert result.exit_code == 2
    assert "meta.json: sealed with the key" in result.output
    assert "Set recording.key or ALLO_RECORDING_KEY" in result.output


def test_a_call_under_way_is_not_sealed_anew(folder, monkeypatch):
    (folder / "transcript.json").unlink()
    (folder / EVENTS).touch()
    result = run(monkeypatch, NEW, "seal", folder)
    assert result.exit_code == 2
    assert "it is being recorded" in result.output
    assert not is_sealed((folder / EVENTS).read_bytes())


def test_nothing_is_called_forgotten_that_could_not_be_looked_into(folder, monkeypatch):
    caller = read_dump(folder).meta.caller
    run(monkeypatch, NEW, "seal", folder)
    result = run(monkeypatch, PLAIN, "forget", folder.parent, "--number", caller, "--yes")
    assert result.exit_code == 2
    assert "nobody can tell whose" in result.output
    assert folder.exists()
    assert run(monkeypatch, NEW, "forget", folder.parent, "--number", caller, "--yes").exit_code == 0
    assert list(folder.parent.iterdir()) == []


def test_a_call_is_forgotten_by_its_folders_name_without_the_key(folder, monkeypatch):
    run(monkeypatch, NEW, "seal", folder)
    assert run(monkeypatch, PLAIN, "forget", folder.parent, "--call", folder.name, "--yes").exit_code == 0
    assert not folder.exists()
