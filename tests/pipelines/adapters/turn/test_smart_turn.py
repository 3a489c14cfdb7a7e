import numpy as np
import pytest
import soundfile

from pipelines.adapters.turn.smart_turn import SmartTurn, log_mel
from pipelines.errors import ModelError
from pipelines.units import SAMPLE_RATE
from tests.helpers.hearing import CLIPS, telephone, weights

TURNS = CLIPS.parent / "turn"
NAMES = ("en_rerecord", "en_leader", "fr_letter", "fr_coin")
TAIL = np.random.default_rng(0).normal(0, 4e-4, SAMPLE_RATE * 160 // 1_000).astype(np.float32)


@pytest.fixture(scope="module")
def detector():
    return SmartTurn(weights("smart-turn-v3", "smart-turn-v3.2-cpu.onnx"))


def noise(seconds, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, int(seconds * SAMPLE_RATE)).astype(np.float32)


@pytest.mark.parametrize("name", NAMES)
def test_a_whole_sentence_sounds_more_finished_than_its_beginning(detector, name):
    words = telephone(TURNS / f"{name}.flac")
    whole = detector.p_end(np.concatenate((words, TAIL)))
    begun = detector.p_end(np.concatenate((words[: words.size * 55 // 100], TAIL)))
    assert 0 <= begun < 0.5 < whole <= 1


def test_the_same_audio_is_judged_the_same_and_left_as_it_was(detector):
    words = telephone(TURNS / "fr_letter.flac")
    before = words.copy()
    first = detector.p_end(words)
    detector.p_end(noise(1))
    assert detector.p_end(words) == first
    assert (words == before).all()


def test_only_the_last_eight_seconds_count(detector):
    words = telephone(TURNS / "en_leader.flac")
    last = np.concatenate((noise(8)[words.size :], words))
    assert detector.p_end(np.concatenate((noise(3, seed=1), last))) == detector.p_end(last)


@pytest.mark.parametrize("seconds", [0, 0.01, 8, 20])
def test_any_length_is_judged(detector, seconds):
    assert 0 <= detector.p_end(np.zeros(int(seconds * SAMPLE_RATE), np.float32)) <= 1


def test_the_network_sees_what_whispers_own_features_are():
    audio, rate = soundfile.read(TURNS / "fr_coin.flac", dtype="float32")
    features = log_mel(audio)
    assert (rate, features.shape, features.dtype) == (SAMPLE_RATE, (80, 800), np.float32)
    np.testing.assert_allclose(features[:, ::10], np.load(TURNS / "fr_coin_log_mel.npy"), atol=1e-4)


def test_a_quiet_line_looks_like_a_loud_one():
    words = telephone(TURNS / "en_leader.flac")
    np.testing.assert_allclose(log_mel(words * 0.2), log_mel(words), atol=0.02)


def test_a_missing_or_broken_file_says_what_to_do(tmp_path):
    with pytest.raises(ModelError, match="allo models pull"):
        SmartTurn(tmp_path)
    (tmp_path / "smart-turn-v3.2-cpu.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="allo models pull"):
        SmartTurn(tmp_path)


def test_audio_of_the_wrong_shape_is_a_model_error(detector):
    with pytest.raises(ModelError):
        detector.p_end(np.zeros((2, 100), np.float32))
