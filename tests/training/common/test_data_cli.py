"""`allo train data`, from the command line to the manifest."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from typer.testing import CliRunner, Result

from training.cli import app
from training.common.errors import DataError


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["data", *map(str, words)])


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def dictations(tmp_path: Path) -> Path:
    """Three speakers, two recordings each; one more recording has no text."""
    for speaker in ("anne", "paul", "zoé"):
        (tmp_path / "in" / speaker).mkdir(parents=True)
        for i in range(2):
            path = tmp_path / "in" / speaker / f"{i}.wav"
            soundfile.write(path, 0.1 * np.sin(np.arange(11_025) / 9), 22_050)
            path.with_suffix(".txt").write_text(f"Phrase {i}.")
    soundfile.write(tmp_path / "in" / "lost.wav", 0.1 * np.sin(np.arange(8_000) / 9), 8_000)
    return tmp_path / "in"


def test_bad_data_stops_with_its_place_and_writes_nothing(dictations, tmp_path):
    done = run("import", "folder", dictations, "-o", tmp_path / "out", "--language", "fr")
    assert isinstance(done.exception, DataError)
    assert f"{dictations / 'lost.wav'}:1: audio with no text" in str(done.exception)
    assert not (tmp_path / "out").exists()


def test_imported_checked_and_divided(dictations, tmp_path):
    out = tmp_path / "out"
    done = run("import", "folder", dictations, "-o", out, "--language", "fr", "--on-bad", "skip")
    assert done.exit_code == 0
    assert "left out" in done.stderr
    assert "6 clips, 0.1 minutes, 3 speakers, language fr" in done.stderr
    assert run("check", out / "manifest.jsonl").exit_code == 0
    assert run("split", out / "manifest.jsonl", "--seed", 1, "--held-aside", 0.34).exit_code == 0
    train, test = (lines(out / f"{name}.jsonl") for name in ("train", "test"))
    assert (len(train), len(test)) == (4, 2)
    assert not {clip["speaker"] for clip in train} & {clip["speaker"] for clip in test}
    assert run("split", out / "manifest.jsonl", "--speaker", "zoé").exit_code == 0
    assert {clip["speaker"] for clip in lines(out / "test.jsonl")} == {"zoé"}


def test_a_recording_that_broke_after_the_import_is_found(dictations, tmp_path):
    run("import", "folder", dictations, "-o", tmp_path / "out", "--language", "fr", "--on-bad", "skip")
    (dictations / "paul" / "1.wav").write_bytes(b"RIFF")
    done = run("check", tmp_path / "out" / "manifest.jsonl")
    assert isinstance(done.exception, DataError)
    assert "1.wav: corrupt file" in str(done.exception)


def test_sentences_are_spoken_and_gone_on_with(tmp_path):
    pytest.importorskip("py_nanotts")
    text, out = tmp_path / "sentences.txt", tmp_path / "out"
    text.write_text("Bonjour.\nAu revoir.\n")
    command = ("synthesize", text, "-o", out, "--language", "fr", "--voice", "pico", "--voice", "pico?pitch=0.7")
    assert run(*command).exit_code == 0
    made = lines(out / "manifest.jsonl")
    assert [(clip["speaker"], clip["text"]) for clip in made] == [
        ("pico", "Bonjour."),
        ("pico", "Au revoir."),
        ("pico-pitch=0.7", "Bonjour."),
        ("pico-pitch=0.7", "Au revoir."),
    ]
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")}
    assert run(*command).exit_code == 0
    assert lines(out / "manifest.jsonl") == made
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.flac")} == times


def test_no_voice_no_manifest(tmp_path):
    (tmp_path / "sentences.txt").write_text("Bonjour.\n")
    done = run(
        "synthesize", tmp_path / "sentences.txt", "-o", tmp_path / "out", "--language", "fr", "--voice", "parrot"
    )
    assert isinstance(done.exception, DataError)
    assert not (tmp_path / "out").exists()
