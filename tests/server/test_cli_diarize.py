"""`allo diarize` as a person and a script see it, with a small encoder and the real voice activity detection."""

import json
import shutil

import numpy as np
import pytest
import soundfile
import torch
import typer
from typer.testing import CliRunner

from pipelines.nets.ecapa import Ecapa, EcapaSettings
from pipelines.speakers.frames import SIZE
from server.cli_diarize import RecordingError, diarize, read
from tests.helpers.exported import where_from
from tests.helpers.hearing import CLIPS, utterance, weights
from training.common.export import VectorTest, export
from training.speakers.exporting import to_onnx
from training.speakers.train import encoder


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A store with both models, its configuration, and a recording."""
    place = tmp_path_factory.mktemp("diarize")
    vad = weights("silero-vad", "silero_vad.onnx")
    (place / "root" / "silero-vad").mkdir(parents=True)
    shutil.copy(vad / "silero_vad.onnx", place / "root" / "silero-vad")
    torch.manual_seed(0)
    net = Ecapa(EcapaSettings(channels=16, size=16, pooled=16, attention=8), SIZE).eval()
    to_onnx(net, place / "speaker.onnx")
    clip = utterance(CLIPS / "en_prompt.flac")
    export(
        place / "root" / "toy-speaker",
        name="toy-speaker",
        port="speaker",
        kind="ecapa",
        licence="CC0-1.0",
        note="",
        weights={"speaker.onnx": place / "speaker.onnx"},
        provenance=where_from(),
        self_test=VectorTest(audio=clip, output=encoder(net)(clip)),
    )
    (place / "allo.toml").write_text(f'[models]\ndir = "{place / "root"}"\n')
    sound = np.concatenate((np.zeros(16_000, np.float32), clip, np.zeros(24_000, np.float32), clip))
    soundfile.write(place / "a call.wav", sound, 16_000)
    return place


def run(place, *arguments: str):
    app = typer.Typer()
    app.command()(diarize)
    file = str(place / "a call.wav")
    return CliRunner().invoke(app, [file, "--model", "toy-speaker", "-c", str(place / "allo.toml"), *arguments])


def test_one_person_twice(place):
    result = run(place, "--json", "--people", "1")
    assert result.exit_code == 0, result.output
    turns = json.loads(result.stdout)
    assert [turn["speaker"] for turn in turns] == [0, 0]
    assert turns[0]["start"] == pytest.approx(1.3, abs=0.4)  # a second of nothing, then a little line noise
    assert turns[1]["start"] - turns[0]["end"] > 1


@pytest.mark.parametrize("way", ["--rttm", "--online"])
def test_other_forms(place, way):
    result = run(place, way)
    assert result.exit_code == 0, result.output
    if way == "--rttm":
        assert all(line.startswith("SPEAKER a_call 1 ") for line in result.stdout.splitlines())
    else:
        assert "speaker" in result.stdout


def test_recordings_that_cannot_be_used_are_named(tmp_path):
    with pytest.raises(RecordingError, match=r"no\.wav cannot be read"):
        read(tmp_path / "no.wav", None)
    soundfile.write(tmp_path / "empty.wav", np.zeros((0, 1)), 8_000)
    with pytest.raises(RecordingError, match="lasts 0"):
        read(tmp_path / "empty.wav", None)
    soundfile.write(tmp_path / "one.wav", np.zeros(800), 8_000)
    with pytest.raises(RecordingError, match="has no channel 1: its 1 count from 0"):
        read(tmp_path / "one.wav", 1)


def test_channels_are_mixed_or_chosen(tmp_path):
    both = np.stack((np.full(8_000, 0.5), np.zeros(8_000)), axis=1)
    soundfile.write(tmp_path / "two.wav", both, 16_000)
    assert read(tmp_path / "two.wav", None).mean() == pytest.approx(0.25, abs=0.01)
    assert read(tmp_path / "two.wav", 0).mean() == pytest.approx(0.5, abs=0.01)
