"""The speaker encoder as it serves: onnxruntime against the net it was made from."""

import numpy as np
import pytest
import torch

from pipelines.adapters.speaker.ecapa import FILE, THRESHOLDS, Ecapa
from pipelines.errors import ModelError
from pipelines.nets.ecapa import Ecapa as Net
from pipelines.nets.ecapa import EcapaSettings
from pipelines.speakers.frames import SIZE
from tests.helpers.hearing import CLIPS, utterance
from training.speakers.exporting import to_onnx
from training.speakers.train import encoder


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(1)
    return Net(EcapaSettings(channels=16, size=24, pooled=16, attention=8), SIZE).eval()


@pytest.fixture(scope="module")
def folder(net, tmp_path_factory):
    place = tmp_path_factory.mktemp("speaker")
    to_onnx(net, place / FILE)
    return place


@pytest.mark.parametrize("samples", [4_000, 4_321, 16_000, 16_001, 80_000])
def test_it_serves_what_was_trained(net, folder, samples):
    audio = np.resize(utterance(CLIPS / "en_prompt.flac"), samples)
    served = Ecapa(folder)
    voice = served.embed(audio)
    assert voice.shape == (served.size,) == (24,)
    assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-5)
    assert voice == pytest.approx(encoder(net)(audio), abs=1e-4)


def test_silence_is_a_voice_of_numbers(folder):
    assert np.isfinite(Ecapa(folder).embed(np.zeros(16_000, np.float32))).all()


def test_too_short_is_said(folder):
    with pytest.raises(ModelError, match=r"a quarter of a second at least, not 0\.10 s"):
        Ecapa(folder).embed(np.zeros(1_600, np.float32))


def test_thresholds_lie_beside_it(folder):
    assert Ecapa(folder).thresholds == {}
    (folder / THRESHOLDS).write_text('{"clean": 0.4}')
    assert Ecapa(folder).thresholds == {"clean": 0.4}
    (folder / THRESHOLDS).write_text('{"clean": "high"}')
    with pytest.raises(ModelError, match=THRESHOLDS):
        Ecapa(folder)
    (folder / THRESHOLDS).unlink()


def test_other_bands_are_refused(tmp_path):
    class Other(torch.nn.Module):
        def forward(self, frames):
            return frames.mean(dim=1)

    torch.onnx.export(Other(), (torch.zeros(1, 20, 7),), str(tmp_path / FILE), dynamo=False)
    with pytest.raises(ModelError, match="takes 7 bands"):
        Ecapa(tmp_path)
