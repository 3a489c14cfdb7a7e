"""What of a recording is sound, and what is silence around it."""

import numpy as np
import pytest

from training.common.audio import trimmed


def tone(seconds, level):
    return (level * np.sin(np.arange(round(seconds * 16_000)) * 0.4)).astype(np.float32)


def test_silence_before_and_after_is_cut_off_and_a_pause_is_not():
    word, hiss = tone(0.2, 0.5), tone(0.3, 0.001)  # 54 dB below
    sound = np.concatenate([hiss, word, hiss, word, hiss])
    assert len(trimmed(sound, 30.0)) == pytest.approx(0.7 * 16_000, abs=160)
    assert len(trimmed(sound, 60.0)) == pytest.approx(len(sound), abs=160)


@pytest.mark.parametrize("sound", [np.zeros(0, np.float32), np.zeros(1_000, np.float32), tone(0.004, 0.5)])
def test_what_has_no_sound_or_is_shorter_than_a_window_is_left_as_it_is(sound):
    assert len(trimmed(sound, 30.0)) == len(sound)
