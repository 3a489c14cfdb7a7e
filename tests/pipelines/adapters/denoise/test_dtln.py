import numpy as np
import pytest

from pipelines.adapters.denoise.dtln import Dtln
from pipelines.errors import ModelError
from tests.helpers.hearing import CLIPS, telephone, weights


@pytest.fixture(scope="module")
def dtln():
    return Dtln(weights("dtln", "model_1.onnx", "model_2.onnx"))


def stream(dtln, audio, size):
    state, out = dtln.initial_state(), []
    for at in range(0, audio.size, size):
        clean, state = dtln.denoise(audio[at : at + size], state)
        assert clean.size == audio[at : at + size].size
        out.append(clean)
    return np.concatenate(out)


@pytest.fixture(scope="module")
def speech():
    audio = telephone(CLIPS / "fr_sentence.flac")
    return audio[: audio.size // 512 * 512]


def snr(clean, heard):
    return 10 * np.log10(np.sum(clean**2) / np.sum((heard - clean) ** 2))


def test_noise_goes_and_the_voice_stays_where_the_delay_says(dtln, speech):
    noise = np.resize(telephone(CLIPS / "kitchen.flac"), speech.size)
    noise *= np.sqrt(np.mean(speech**2) / np.mean(noise**2)) / 10 ** (5 / 20)
    cleaned = stream(dtln, speech + noise, 512)[dtln.delay :]
    heard = speech[: cleaned.size]
    assert snr(heard, cleaned) > snr(heard, (speech + noise)[: cleaned.size]) + 2
    lag = np.argmax(np.correlate(stream(dtln, speech, 512)[:16_000], speech[:16_000], "full")) - 15_999
    assert abs(lag - dtln.delay) <= 2


def test_the_result_does_not_depend_on_how_the_stream_is_cut(dtln, speech):
    speech = speech[:8_192]
    np.testing.assert_allclose(stream(dtln, speech, 128), stream(dtln, speech, 1_024), atol=1e-6)


def test_a_state_can_be_used_again(dtln, speech):
    state = dtln.initial_state()
    _, state = dtln.denoise(speech[:512], state)
    once, _ = dtln.denoise(speech[512:1_024], state)
    again, _ = dtln.denoise(speech[512:1_024], state)
    assert (once == again).all()


def test_half_a_hop_and_missing_weights_are_model_errors(dtln, tmp_path):
    with pytest.raises(ModelError, match="128"):
        dtln.denoise(np.zeros(100, np.float32), dtln.initial_state())
    with pytest.raises(ModelError, match="allo models pull"):
        Dtln(tmp_path)
