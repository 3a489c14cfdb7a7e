"""Folders of real recordings to text, by both engines and by the command; and what is said of folders that hold none."""

import json
import wave

import pytest
from typer.testing import CliRunner

from pipelines.errors import ModelError
from training.cli import app
from training.common.audio import load
from training.common.errors import DataError
from training.whisper.transcribe import Throughput, by_ctranslate2, by_transformers, load_all, recordings, timed


@pytest.fixture
def recorded(tmp_path, clips):
    """A folder with two recordings, one in a folder of its own, and two files that only look like recordings."""
    folder = tmp_path / "recorded"
    (folder / "more").mkdir(parents=True)
    with wave.open(str(folder / "empty.wav"), "wb") as file:
        file.setparams((1, 2, 8_000, 0, "NONE", ""))
    (folder / "text.wav").write_text("no sound")
    (folder / "notes.txt").write_text("not looked at")
    for clip, where in zip(clips[:2], (folder, folder / "more"), strict=True):
        (where / clip.audio.name).write_bytes(clip.audio.read_bytes())
    return folder


def test_a_folder_is_transcribed_in_one_go(recorded, folder):
    said = []
    sounds = load_all(recordings(recorded), said.append)
    assert [file.name for file, _ in sounds] == ["en_prompt.flac", "digit_1.flac"]
    assert len(said) == 2
    assert "empty.wav: holds no sound" in said[0]
    assert "text.wav: cannot be read as audio" in said[1]
    texts, speed = timed("ctranslate2", by_ctranslate2(folder, language="en", threads=1), sounds, 2)
    assert [text.file for text in texts] == [file for file, _ in sounds]
    assert texts[0].text == "Agent logged in."
    assert (speed.batch, speed.files) == (2, 2)
    assert speed.sound_s == pytest.approx(sum(len(samples) for _, samples in sounds) / 16_000)
    assert speed.took_s > 0


def test_speed_is_sound_by_time_and_the_real_time_factor_the_reverse():
    speed = Throughput("ctranslate2", 16, 3, sound_s=60.0, took_s=4.0)
    assert (speed.speed, speed.real_time_factor) == (15.0, pytest.approx(1 / 15))


def test_transformers_hears_the_same(clips, folder):
    hear = by_transformers("whisper-tiny.en", device="cpu")
    [text] = hear([(clips[0].audio, load(clips[0].audio))], 1)
    assert text.text == "Agent logged in."


def test_folders_without_a_recording_are_told(tmp_path):
    with pytest.raises(DataError, match="holds no recording"):
        recordings(tmp_path)
    (tmp_path / "broken.wav").write_text("no sound")
    with pytest.raises(DataError, match="None of the 1 recordings"):
        load_all(recordings(tmp_path), lambda _: None)


def test_a_language_that_the_model_does_not_know_is_named(folder):
    with pytest.raises(ModelError, match=r'does not know the language "xx"\. Known: en'):
        by_ctranslate2(folder, language="xx")


def test_the_command_writes_lines_and_prints_the_speed(recorded, tmp_path, folder):
    out = tmp_path / "made" / "heard.jsonl"
    command = ["transcribe", str(recorded), "--model", str(folder), "--threads", "1", "--out", str(out)]
    printed = CliRunner().invoke(app, [*command, "--batch", "1", "--batch", "2"])
    assert printed.exit_code == 0, printed.output
    assert "factor" in printed.stderr
    assert printed.stderr.count("ctranslate2") == 2
    assert "left out:" in printed.stderr
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert [line["file"].rpartition("/")[2] for line in lines] == ["en_prompt.flac", "digit_1.flac"]
    assert lines[0]["text"] == "Agent logged in."
