"""`allo voices`, with the real encoder and real recordings: a voice is known again, another is not."""

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import typer
from typer.testing import CliRunner

from pipelines.errors import AlloError
from server.cli_voices import voices
from server.observe.recorder import Recorder
from tests.helpers.hearing import weights
from tests.helpers.replay import two_parties

DATA = Path(__file__).parents[1] / "data"
CLIPS = Path(__file__).parents[1] / "load" / "clips"


@pytest.fixture
def config(tmp_path) -> Path:
    weights("resemblyzer", "pretrained.pt")
    weights("silero-vad", "silero_vad.onnx")
    path = tmp_path / "allo.toml"
    path.write_text('[models.speaker]\nbook = "book.json"\n')
    return path


@pytest.fixture
def allo(config):
    app = typer.Typer()
    app.add_typer(voices, name="voices")

    def allo(*words) -> tuple[int, str]:
        result = CliRunner().invoke(app, ["voices", *map(str, words), "--config", str(config)])
        if isinstance(result.exception, AlloError):
            raise result.exception
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result.exit_code, result.stdout

    return allo


def joined(path: Path, *clips: Path) -> Path:
    soundfile.write(path, np.concatenate([soundfile.read(clip)[0] for clip in clips]), 8_000)
    return path


def test_a_person_is_known_in_another_recording_and_others_are_not(allo):
    code, told = allo("enroll", "Michael", CLIPS / "en_hes_tuesday.flac", CLIPS / "en_hes_card.flac")
    assert (code, told.startswith("Michael: "), "of 2 call(s)" in told) == (0, True, True)
    code, told = allo("verify", CLIPS / "en_number.flac", "--json")
    [found] = json.loads(told)
    assert (code, found["name"], found["known"]) == (0, "Michael", True)
    for stranger in ("en_number_name", "en_number_people", "en_number_theo", "fr_numero"):
        code, told = allo("verify", CLIPS / f"{stranger}.flac", "--json")
        assert (code, [one["known"] for one in json.loads(told)]) == (1, [False])


def test_two_who_speak_french(allo):
    allo("enroll", "Paul", CLIPS / "fr_hes_mardi.flac", CLIPS / "fr_hes_carte.flac", "--number", "+33 1 55 55 01 00")
    allo("enroll", "Claire", CLIPS / "fr_hes_vendredi.flac", CLIPS / "fr_hes_message.flac")
    for clip, who in (("fr_numero", "Paul"), ("fr_numero2", "Claire")):
        nearest, other = json.loads(allo("verify", CLIPS / f"{clip}.flac", "--json")[1])
        assert (nearest["name"], nearest["known"]) == (who, True)
        assert nearest["score"] > other["score"] + 0.05
    rows = json.loads(allo("list", "--json")[1])
    assert [(row["name"], row["calls"], row["numbers"]) for row in rows] == [
        ("Claire", 2, []),
        ("Paul", 2, ["hashed"]),
    ]
    assert allo("forget", "Paul") == (0, "Paul is forgotten\n")
    assert [row["name"] for row in json.loads(allo("list", "--json")[1])] == ["Claire"]


def test_the_caller_of_a_recorded_call(allo, tmp_path):
    recorder = Recorder(tmp_path / "calls")
    dump = two_parties()
    recording = recorder.open(dump.meta)
    for step in dump.steps:
        recording.write(step.at, step.event, step.actions)
    folder = recording.close().result(10)
    recorder.close()
    assert allo("enroll", "Fitilly", folder, "--alone")[0] == 0
    both, rate = soundfile.read(DATA / "replay" / "two_parties.flac", dtype="int16")
    for channel, known in ((1, True), (0, False)):
        soundfile.write(tmp_path / "one.wav", both[:, channel], rate)
        [found] = json.loads(allo("verify", tmp_path / "one.wav", "--json")[1])
        assert found["known"] is known


def test_what_cannot_be_enrolled_is_said(allo, tmp_path, config):
    with pytest.raises(AlloError, match=r"2 people seem to speak"):
        allo("enroll", "Both", joined(tmp_path / "both.wav", CLIPS / "en_number.flac", CLIPS / "en_number_name.flac"))
    with pytest.raises(AlloError, match="s of speech are too few"):
        allo("enroll", "Short", CLIPS / "en_monday.flac")
    with pytest.raises(AlloError, match="a name is"):
        allo("enroll", "two\nlines", CLIPS / "en_number.flac")
    config.write_text('[models.speaker]\nmodel = "none"\n')
    with pytest.raises(AlloError, match="Name a model"):
        allo("enroll", "Michael", CLIPS / "en_number.flac")
    assert not (tmp_path / "book.json").exists()
