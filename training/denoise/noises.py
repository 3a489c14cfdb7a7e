"""Noises that nobody recorded: each draw is another one, so that a net cannot learn them by heart.

float32, 16 kHz, shape (n,), of any loudness: the mixer sets it.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from pipelines.models.ports import Audio

_RATE = 16_000


def made(length: int, rng: np.random.Generator) -> Audio:
    """Coloured noise, clatter or a tune."""
    return (coloured, clatter, tune)[rng.integers(3)](length, rng)


def coloured(length: int, rng: np.random.Generator) -> Audio:
    """Steady or swelling noise whose spectrum is drawn: machines, ventilation, streets, rain."""
    hertz = np.fft.rfftfreq(length, 1 / _RATE)
    points = np.array([0, 100, 250, 500, 1_000, 2_000, 4_000, 8_000])
    gains_db = np.cumsum(rng.normal(-rng.uniform(0, 6), 5, len(points)))
    spectrum = np.fft.rfft(rng.standard_normal(length)) * 10 ** (np.interp(hertz, points, gains_db) / 20)
    noise = np.fft.irfft(spectrum, length)
    if rng.random() < 0.5:
        swell = np.interp(np.arange(length), np.linspace(0, length, 6), 10 ** (rng.normal(0, 6, 6) / 20))
        noise = noise * swell
    return noise.astype(np.float32)


def clatter(length: int, rng: np.random.Generator) -> Audio:
    """Knocks and ringing: plates, cutlery, keys, doors."""
    noise = 0.01 * rng.standard_normal(length)
    for start in rng.integers(0, length, max(1, rng.poisson(length / _RATE * rng.uniform(1, 8)))):
        long = int(_RATE * rng.uniform(0.01, 0.3))
        time = np.arange(long) / _RATE
        ring = rng.standard_normal(long) * np.exp(-time * rng.uniform(30, 300))
        for _ in range(rng.integers(0, 5)):
            pitch, decay = rng.uniform(400, 6_000), rng.uniform(8, 80)
            ring += rng.uniform(0.2, 2) * np.sin(2 * np.pi * pitch * time + rng.uniform(0, 6)) * np.exp(-time * decay)
        end = min(length, start + long)
        noise[start:end] += ring[: end - start] * rng.uniform(0.1, 1)
    return noise.astype(np.float32)


def tune(length: int, rng: np.random.Generator) -> Audio:
    """Notes with overtones, several voices and a beat: what music does, if not music."""
    beat = int(_RATE * rng.uniform(0.15, 0.6))
    root, steps = rng.uniform(80, 260), np.array([0, 2, 4, 5, 7, 9, 11, 12, 14, 16, 19, 24])
    fall, attack = rng.uniform(0.5, 8), int(_RATE * rng.uniform(0.003, 0.05))
    overtones = rng.uniform(0, 1, 8) / np.arange(1, 9) ** rng.uniform(0.5, 2)
    notes = np.zeros(length)
    for _ in range(rng.integers(1, 5)):
        octave = 2.0 ** rng.integers(-1, 3)
        for start in range(0, length, beat * int(rng.integers(1, 5))):
            long = min(length - start, beat * int(rng.integers(1, 5)))
            time = np.arange(long) / _RATE
            pitch = root * octave * 2 ** (rng.choice(steps) / 12)
            voice = sum(
                a * np.sin(2 * np.pi * pitch * k * time) for k, a in enumerate(overtones, 1) if pitch * k < 7_500
            )
            notes[start : start + long] += voice * np.exp(-time * fall) * np.minimum(1, np.arange(long) / attack)
    if rng.random() < 0.5:  # drums
        for start in range(0, length, beat):
            long = min(length - start, _RATE // 8)
            notes[start : start + long] += (
                rng.uniform(0.2, 2) * rng.standard_normal(long) * np.exp(-np.arange(long) / _RATE * rng.uniform(20, 90))
            )
    return notes.astype(np.float32)


def babble(voices: Sequence[Audio], length: int, rng: np.random.Generator) -> Audio:
    """`voices` talking at once, from random places, each a little nearer or farther than the others."""
    talk = np.zeros(length, np.float32)
    for voice in voices:
        talk += piece(voice, length, rng) * np.float32(10 ** (rng.uniform(-6, 0) / 20) / max(rms(voice), 1e-6))
    return talk


def piece(audio: Audio, length: int, rng: np.random.Generator) -> Audio:
    """`length` samples from a random place of `audio`, which goes round when it is too short."""
    start = int(rng.integers(len(audio)))
    return np.resize(np.concatenate((audio[start:], audio[:start])), length)


def rms(audio: NDArray) -> float:
    """Root mean square, 0 for nothing."""
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0


def in_room(audio: Audio, room: Audio) -> Audio:
    """`audio` in the room of an impulse response (of which the direct sound comes first), as loud as before."""
    wet = signal.fftconvolve(audio, room)[: len(audio)]
    return (wet * (rms(audio) / max(rms(wet), 1e-9))).astype(np.float32)
