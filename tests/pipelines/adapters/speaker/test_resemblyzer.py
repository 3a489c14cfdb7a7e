"""Resemblyzer's encoder in numpy against torch's own LSTM, and its old kind of weights file."""

import pickle

import numpy as np
import pytest
import torch

from pipelines.adapters.speaker.old_torch import read
from pipelines.adapters.speaker.resemblyzer import FILE, Resemblyzer, _starts
from pipelines.errors import ModelError
from tests.helpers.hearing import CLIPS, utterance


@pytest.fixture(scope="module")
def nets():
    torch.manual_seed(0)
    return torch.nn.LSTM(40, 256, 3, batch_first=True), torch.nn.Linear(256, 256)


@pytest.fixture(scope="module")
def folder(nets, tmp_path_factory):
    """As the package's file is: of old torch, with the optimizer beside."""
    lstm, linear = nets
    state = {f"lstm.{name}": value for name, value in lstm.state_dict().items()}
    state |= {f"linear.{name}": value for name, value in linear.state_dict().items()}
    place = tmp_path_factory.mktemp("resemblyzer")
    torch.save(
        {"step": 7, "model_state": state, "optimizer_state": {"lr": 0.1}},
        place / FILE,
        _use_new_zipfile_serialization=False,
    )
    return place


def test_weights_are_read_without_torch(nets, folder):
    held = read(folder / FILE, "model_state")
    assert np.array_equal(held["lstm.weight_hh_l2"], nets[0].weight_hh_l2.detach().numpy())
    assert np.array_equal(held["linear.bias"], nets[1].bias.detach().numpy())


def test_the_lstm_is_torch_s(nets, folder):
    model = Resemblyzer(folder)
    mel = np.abs(np.random.default_rng(0).standard_normal((3, 160, 40))).astype(np.float32)
    with torch.no_grad():
        raw = torch.relu(nets[1](nets[0](torch.from_numpy(mel))[1][0][-1]))
        expected = torch.nn.functional.normalize(raw).numpy()
    assert model._run(mel) == pytest.approx(expected, abs=1e-5)


def test_bands_are_librosa_s(folder):
    from transformers.audio_utils import mel_filter_bank

    expected = mel_filter_bank(201, 40, 0, 8_000, 16_000, norm="slaney", mel_scale="slaney").T
    assert Resemblyzer(folder)._mel == pytest.approx(expected, abs=1e-9)


def test_stretches_cover_the_clip():
    assert _starts(16_000) == [0]
    assert _starts(25_600) == [0]  # the second would hold half
    assert _starts(64_000) == [0, 77, 154, 231]


@pytest.mark.parametrize("samples", [4_000, 16_000, 60_000])
def test_a_voice_has_length_1(folder, samples):
    voice = Resemblyzer(folder).embed(np.resize(utterance(CLIPS / "en_prompt.flac"), samples))
    assert voice.shape == (256,)
    assert np.linalg.norm(voice) == pytest.approx(1, abs=1e-5)


def test_several_at_once_are_what_each_is_alone(folder):
    model, sound = Resemblyzer(folder), utterance(CLIPS / "en_prompt.flac")
    clips = [np.resize(sound, samples) for samples in (60_000, 20_000, 33_000)]
    assert model.embed_all(clips) == pytest.approx(np.stack([model.embed(clip) for clip in clips]), abs=1e-5)


class Evil:
    def __reduce__(self):
        return (print, ("run",))


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 a zip file", pickle.dumps(Evil()), pickle.dumps(17)])
def test_other_files_are_refused_and_nothing_of_them_runs(tmp_path, content, capsys):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ModelError, match="is no Resemblyzer encoder"):
        Resemblyzer(tmp_path)
    assert capsys.readouterr().out == ""


def test_a_missing_file_is_said(tmp_path):
    with pytest.raises(ModelError, match="is no Resemblyzer encoder"):
        Resemblyzer(tmp_path)
