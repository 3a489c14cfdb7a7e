"""What a speaker encoder hears."""

import numpy as np
import pytest

from pipelines.speakers.frames import SIZE, voice_frames
from pipelines.units import SAMPLE_RATE


def noise(seconds=1.0, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE)).astype(np.float32)


def test_each_band_has_mean_0_so_loudness_and_microphone_are_gone():
    frames = voice_frames(noise())
    assert frames.shape == (98, SIZE)
    assert frames.dtype == np.float32
    assert frames.mean(axis=0) == pytest.approx(0, abs=1e-4)
    assert voice_frames(0.25 * noise()) == pytest.approx(frames, abs=1e-3)


def test_what_a_telephone_does_not_carry_is_not_heard():
    time = np.arange(SAMPLE_RATE) / SAMPLE_RATE
    # It comes and goes, for what is steady is taken away with the mean.
    whistle = (0.05 * np.sin(2 * np.pi * 6_000 * time) * (np.sin(2 * np.pi * 3 * time) > 0)).astype(np.float32)
    plain = voice_frames(noise())
    # The whole becomes a little louder, so it is made a little quieter: no more than that.
    assert np.abs(voice_frames(noise() + whistle) - plain).max() < 0.1
    low = (0.05 * np.sin(2 * np.pi * 1_000 * time) * (np.sin(2 * np.pi * 3 * time) > 0)).astype(np.float32)
    assert np.abs(voice_frames(noise() + low) - plain).max() > 1.0
