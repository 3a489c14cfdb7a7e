from itertools import pairwise

import numpy as np
import pytest

from pipelines.adapters.vad.silero import WINDOW, SileroVad
from pipelines.errors import ModelError
from tests.helpers.hearing import CLIPS, utterance, weights


@pytest.fixture(scope="module")
def vad():
    return SileroVad(weights("silero-vad", "silero_vad.onnx"))


def windows_of(name):
    audio = utterance(CLIPS / name)
    return [audio[i : i + WINDOW] for i in range(0, audio.size - WINDOW + 1, WINDOW)]


def alone(vad, windows):
    state, heard = vad.initial_state(), []
    for window in windows:
        [p], [state] = vad.analyze([window], [state])
        heard.append(p)
    return heard


def sustained(heard):
    """Highest probability that two windows in a row reach."""
    return max(min(pair) for pair in pairwise(heard))


def test_speech_is_told_from_kitchen_noise(vad):
    assert sustained(alone(vad, windows_of("en_prompt.flac"))) > 0.9
    assert sustained(alone(vad, windows_of("kitchen.flac"))) < 0.5


@pytest.mark.parametrize("digit", ["digit_1.flac", "digit_7.flac", "digit_8.flac"])
def test_a_short_word_is_speech_for_two_windows(vad, digit):
    assert sustained(alone(vad, windows_of(digit))) > 0.5


def test_a_batch_hears_what_each_call_alone_would(vad):
    calls = [windows_of(name) for name in ("en_prompt.flac", "kitchen.flac", "fr_sentence.flac", "digit_1.flac")]
    expected = [alone(vad, call) for call in calls]
    states = [vad.initial_state() for _ in calls]
    heard = [[] for _ in calls]
    for turn in range(max(map(len, calls))):
        talking = [i for i, call in enumerate(calls) if turn < len(call)]
        probabilities, new = vad.analyze([calls[i][turn] for i in talking], [states[i] for i in talking])
        for i, p, state in zip(talking, probabilities, new, strict=True):
            heard[i].append(p)
            states[i] = state
    for mine, theirs in zip(heard, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


def test_states_and_windows_are_left_as_they_were(vad):
    window, state = windows_of("en_prompt.flac")[10], vad.initial_state()
    before = window.copy()
    vad.analyze([window], [state])
    assert not state.any()
    assert (window == before).all()


def test_a_missing_or_broken_file_says_what_to_do(tmp_path):
    with pytest.raises(ModelError, match="allo models pull"):
        SileroVad(tmp_path)
    (tmp_path / "silero_vad.onnx").write_bytes(b"no model")
    with pytest.raises(ModelError, match="allo models pull"):
        SileroVad(tmp_path)


def test_a_window_of_the_wrong_size_is_a_model_error(vad):
    with pytest.raises((ModelError, ValueError)):
        vad.analyze([np.zeros(100, np.float32)], [vad.initial_state()])
