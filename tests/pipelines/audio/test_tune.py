import numpy as np
import pytest

from pipelines.audio.tune import BANDS, SIZE, pitch, raw, seen

TIME = np.arange(32_000) / 16_000


def voice(hertz):
    """A voice on the telephone: overtones without the tone itself."""
    return (0.1 * sum(np.sin(2 * np.pi * k * hertz * TIME) / k for k in range(3, 8))).astype(np.float32)


@pytest.mark.parametrize("hertz", [80, 121, 174, 233, 350])
def test_the_pitch_of_a_voice_is_found_without_its_lowest_tone(hertz):
    octaves, clear = pitch(voice(hertz), 190).T
    assert 100 * 2 ** np.median(octaves) == pytest.approx(hertz, rel=0.02)
    assert np.median(clear) > 0.8


def test_noise_has_no_clear_pitch():
    noise = np.random.default_rng(0).normal(0, 0.1, 32_000).astype(np.float32)
    assert np.median(pitch(noise, 190)[:, 1]) < 0.4


def test_a_falling_voice_is_seen_to_fall_whatever_its_height_and_loudness():
    falling = 1.2 - 0.2 * TIME
    for hertz, gain in ((110, 1.0), (220, 0.05)):
        phase = 2 * np.pi * np.cumsum(hertz * falling) / 16_000
        frames = seen(raw((gain * 0.1 * sum(np.sin(k * phase) for k in range(2, 7))).astype(np.float32)), 200)
        there = frames[frames[:, -1] > 0]
        assert there[5:20, BANDS].mean() > 0.1 > -0.1 > there[-20:-5, BANDS].mean()
        assert abs(there[:, :BANDS].mean(axis=1).max()) < 1.5


def test_what_is_short_is_marked_as_not_there_and_what_is_long_is_cut():
    short, long = seen(raw(voice(120)[:4_000]), 100), seen(raw(voice(120)), 100)
    assert short.shape == long.shape == (100, SIZE)
    assert not short[:77].any()
    assert short[78:, -1].all()
    assert long[:, -1].all()


def test_frames_depend_on_their_own_audio_alone():
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    np.testing.assert_allclose(raw(noise)[:40], raw(noise[:8_000])[:40], atol=1e-4)


def test_no_audio_is_a_frame_of_silence():
    assert seen(raw(np.zeros(0, np.float32)), 50).shape == (50, SIZE)
