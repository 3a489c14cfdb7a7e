"""The table of languages: what beginnings it hears, what it counts, and that Whisper tells two callers apart."""

import io
import json

import numpy as np
import pytest
import soundfile
from rich.console import Console

from pipelines.adapters.stt.whisper import Whisper
from pipelines.units import SAMPLE_RATE
from tests.helpers.hearing import CALLER, weights
from tests.load import languages
from tests.load.languages import Guess
from training.common.manifests import Clip


def recorded(folder, name: str, speaker: str, seconds: float) -> Clip:
    """A tone with a second of silence before and after it."""
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(round(seconds * SAMPLE_RATE)) / SAMPLE_RATE)
    quiet = np.zeros(SAMPLE_RATE)
    soundfile.write(folder / f"{name}.flac", np.concatenate((quiet, tone, quiet)), SAMPLE_RATE)
    return Clip(audio=folder / f"{name}.flac", text="", language="en", speaker=speaker, duration=seconds + 2)


def test_beginnings_begin_with_speech_and_join_clips_of_one_speaker_alone(tmp_path) -> None:
    clips = [recorded(tmp_path, str(i), "ab"[i % 2], 1.2) for i in range(6)]
    heard = list(languages.beginnings(clips, 2.0, 10))
    assert [len(each) for each in heard] == [round(2.32 * SAMPLE_RATE)] * 2  # two clips make one; a third is too short
    for each in heard:
        assert np.abs(each[round(0.33 * SAMPLE_RATE) : round(0.40 * SAMPLE_RATE)]).max() > 0.2
    assert len(list(languages.beginnings(clips, 1.0, 4))) == 4
    assert len(list(languages.beginnings(clips, 0.0, 3))) == 3


def test_what_is_believed_is_counted_by_whether_it_is_right() -> None:
    some = [
        Guess("s", 1.0, "fr", guessed, p) for guessed, p in (("fr", 0.97), ("fr", 0.75), ("en", 0.85), ("en", 0.55))
    ]
    said = io.StringIO()
    console = Console(file=said, width=160)
    console.print(languages.by_length(some))
    console.print(languages.by_bar(some))
    cells = " ".join(said.getvalue().split())
    assert "50.0 (15 to 85)" in cells
    assert "50.0 / 50.0" in cells  # from 0.5
    assert "25.0 / 25.0" in cells  # from 0.8
    assert "25.0 / 0.0" in cells  # from 0.9


def test_two_recorded_callers_are_told_apart(tmp_path) -> None:
    whisper = Whisper(weights("whisper-base", "model.bin"), threads=1)
    for language, name in (("en", "en_hours_saturday"), ("fr", "fr_horaires")):
        folder = tmp_path / {"en": "en_librispeech", "fr": "fr_tuxpaint"}[language]
        folder.mkdir()
        line = {"audio": str(CALLER / f"{name}.wav"), "language": language, "speaker": language, "text": None}
        (folder / "manifest.jsonl").write_text(json.dumps(line) + "\n")
    found = languages.guesses(whisper, tmp_path, ("en", "fr"), 1)
    assert {g.spoken for g in found} == {"en", "fr"}
    assert all(g.right and g.p > 0.5 for g in found)


def test_a_folder_without_recordings_is_refused(tmp_path, capsys) -> None:
    pytest.importorskip("faster_whisper")
    weights("whisper-base", "model.bin")
    assert languages.main(["--data", str(tmp_path)]) == 1
    assert "Give their folder" in capsys.readouterr().err
