import numpy as np
import pytest

from pipelines.audio.emotion_frames import SIZE, emotion_frames
from pipelines.audio.features import Features
from pipelines.audio.prosody import COLUMNS, NAMES, functionals, prosody
from pipelines.units import SAMPLE_RATE


def voice(hertz: float | np.ndarray, seconds: float = 1.0, lowest: int = 1) -> np.ndarray:
    """Twenty overtones, from number `lowest` on."""
    n = round(seconds * SAMPLE_RATE)
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(hertz, n)) / SAMPLE_RATE
    return (0.1 * sum(np.sin(k * phase) / k for k in range(lowest, 20))).astype(np.float32)


@pytest.mark.parametrize("hertz", [85, 120, 210, 330])
def test_pitch_is_found(hertz):
    semitones = np.median(prosody(voice(hertz))[:, 0])
    assert semitones == pytest.approx(12 * np.log2(hertz / 100), abs=0.4)


def test_a_line_that_cuts_off_the_fundamental_leaves_the_pitch():
    assert np.median(prosody(voice(120.0, lowest=3))[:, 0]) == pytest.approx(12 * np.log2(1.2), abs=0.4)


def test_noise_has_no_pitch():
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE).astype(np.float32) * 0.1
    assert (prosody(noise)[:, 0] != 0).mean() < 0.1


def test_frames_are_those_of_the_features():
    for n in (1, 399, 400, 1_000, 16_000, 16_159):
        audio = voice(100.0, 2.0)[:n]
        assert len(prosody(audio)) == Features().frames(n)
        assert emotion_frames(audio).shape == (Features().frames(n), SIZE)
        assert np.isfinite(emotion_frames(audio)).all()


def test_loudness_of_the_line_changes_nothing():
    audio = voice(np.linspace(100, 200, SAMPLE_RATE)) * np.linspace(0.2, 1, SAMPLE_RATE, dtype=np.float32)
    assert functionals(audio * 0.1) == pytest.approx(functionals(audio), abs=0.05)


def test_a_livelier_voice_has_a_wider_pitch():
    swing = np.sin(np.linspace(0, 12, SAMPLE_RATE))
    flat, lively = (dict(zip(NAMES, functionals(voice(150 + by * swing)), strict=True)) for by in (5, 50))
    assert lively["pitch_range"] > flat["pitch_range"] + 2
    assert lively["pitch_median"] == pytest.approx(flat["pitch_median"], abs=1)


@pytest.mark.parametrize("n", [1, 100, 700, 16_000])
def test_silence_and_shreds_give_numbers(n):
    assert functionals(np.zeros(n, np.float32)).shape == (len(NAMES),)
    assert np.isfinite(functionals(np.zeros(n, np.float32))).all()
    assert len(COLUMNS) == prosody(np.zeros(n, np.float32)).shape[1]
