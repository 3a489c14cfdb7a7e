"""Sounds of a telephone line that nobody says, made up: music on hold, tones, fans, clicks. There is little recorded noise under a
free licence, and a net that has heard three songs knows three songs; these are never the same twice.

Each takes a generator of random numbers and a number of samples at 16 kHz, and gives float32 of any loudness.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Audio = NDArray[np.float32]
RATE = 16_000

_SCALES = ((0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10), (0, 2, 4, 7, 9))


def music(rng: np.random.Generator, samples: int) -> Audio:
    """Chords, a melody with vibrato over them, at times drums: overtones that move as those of a voice do."""
    out = np.zeros(samples, np.float32)
    scale, root = _SCALES[rng.integers(len(_SCALES))], rng.uniform(80, 220)
    beat = int(rng.uniform(0.25, 0.7) * RATE)
    overtones, decay = int(rng.integers(2, 12)), rng.uniform(0.5, 6.0)
    at, bar = 0, 0
    while at < samples:
        if bar % 4 == 0:
            step = int(rng.integers(len(scale)))
            for third in (0, 2, 4):
                _add(out, at, _note(rng, _pitch(scale, step + third, root), 4 * beat, overtones, decay / 4), 0.5)
        if rng.random() < 0.8:
            length = int(beat * rng.choice((0.5, 1, 1, 2)))
            step = int(rng.integers(0, 2 * len(scale)))
            _add(
                out, at, _note(rng, _pitch(scale, step, 2 * root), length, overtones, decay, rng.uniform(0, 0.012)), 1.0
            )
        if rng.random() < 0.5:
            hit = rng.standard_normal(beat // 2).astype(np.float32) * np.exp(-np.arange(beat // 2) / (0.03 * RATE))
            _add(out, at, hit.astype(np.float32), rng.uniform(0.1, 0.8))
        at, bar = at + beat, bar + 1
    return out


def tones(rng: np.random.Generator, samples: int) -> Audio:
    """Ringing, engaged, dialling and information tones, keys: one or two sines, on and off."""
    time = np.arange(samples) / RATE
    pairs = ((440, 480), (480, 620), (350, 440), (425, 425), (400, 450), (950, 950), (1_400, 1_400))
    if rng.random() < 0.4:
        keys = ((697, 770, 852, 941), (1_209, 1_336, 1_477))
        low, high = float(rng.choice(keys[0])), float(rng.choice(keys[1]))
    else:
        low, high = pairs[rng.integers(len(pairs))]
    on, off = rng.uniform(0.05, 2.0), rng.uniform(0.05, 4.0)
    gate = ((time + rng.uniform(0, on + off)) % (on + off)) < on
    return ((np.sin(2 * np.pi * low * time) + np.sin(2 * np.pi * high * time)) * gate).astype(np.float32)


def wind(rng: np.random.Generator, samples: int) -> Audio:
    """Fans, traffic, wind: noise of any slope and band that swells and fades, as slowly as breath or as fast as syllables."""
    noise = rng.standard_normal(samples).astype(np.float32)
    spectrum = np.fft.rfft(noise)
    hertz = np.maximum(np.fft.rfftfreq(samples, 1 / RATE), 20)
    spectrum *= hertz ** (-rng.uniform(0, 1.2))
    if rng.random() < 0.5:
        centre, octaves = rng.uniform(200, 3_500), rng.uniform(0.2, 2.0)
        spectrum *= np.exp(-0.5 * (np.log2(hertz / centre) / octaves) ** 2)
    noise = np.fft.irfft(spectrum, samples)
    swell = _slow(rng, samples, rng.uniform(0.2, 6.0))
    return (noise * 10 ** (rng.uniform(0, 15) * swell / 20)).astype(np.float32)


def knocks(rng: np.random.Generator, samples: int) -> Audio:
    """Keys typed, cups put down, a receiver handled: short resonances at odd times."""
    out = np.zeros(samples, np.float32)
    for _ in range(int(rng.integers(2, 40))):
        length = int(rng.uniform(0.004, 0.15) * RATE)
        shape = np.exp(-np.arange(length) / (rng.uniform(0.05, 0.4) * length))
        hit = rng.standard_normal(length) * shape
        for _ in range(int(rng.integers(0, 3))):
            ring = np.sin(2 * np.pi * rng.uniform(150, 4_000) * np.arange(length) / RATE)
            hit = hit + ring * shape * rng.uniform(0, 3)
        _add(out, int(rng.integers(samples)), hit.astype(np.float32), 10 ** rng.uniform(-1, 0))
    return out


def breath(rng: np.random.Generator, samples: int) -> Audio:
    """Breathing on the microphone: noise through two wide resonances, in and out."""
    out = np.zeros(samples, np.float32)
    at = int(rng.uniform(0, 1.5) * RATE)
    while at < samples:
        length = int(rng.uniform(0.25, 1.4) * RATE)
        puff = rng.standard_normal(length) * np.hanning(length)
        centre = rng.uniform(500, 2_200)
        sos = signal.butter(2, (centre * 0.6, min(centre * 1.6, 7_500)), "bandpass", fs=RATE, output="sos")
        _add(out, at, signal.sosfilt(sos, puff).astype(np.float32), rng.uniform(0.3, 1.0))
        at += length + int(rng.uniform(0.3, 3.0) * RATE)
    return out


SOUNDS: tuple[Callable[[np.random.Generator, int], Audio], ...] = (
    music,
    music,
    music,
    tones,
    wind,
    wind,
    knocks,
    breath,
)


def sound(rng: np.random.Generator, samples: int) -> Audio:
    """One of them."""
    return SOUNDS[rng.integers(len(SOUNDS))](rng, samples)


def _pitch(scale: tuple[int, ...], step: int, root: float) -> float:
    return root * 2 ** (step // len(scale) + scale[step % len(scale)] / 12)


def _note(
    rng: np.random.Generator, hertz: float, samples: int, overtones: int, decay: float, vibrato: float = 0.0
) -> Audio:
    time = np.arange(samples) / RATE
    phase = 2 * np.pi * hertz * time + vibrato * hertz / 5 * np.sin(2 * np.pi * 5 * time)
    parts = range(1, 1 + min(overtones, max(1, int(3_800 / hertz))))
    slope = rng.uniform(0.5, 1.5)
    tone = sum(np.sin(k * phase) / k**slope for k in parts)
    return (tone * np.exp(-decay * time) * np.minimum(1.0, time / rng.uniform(0.003, 0.06))).astype(np.float32)


def _slow(rng: np.random.Generator, samples: int, hertz: float) -> Audio:
    """A random curve of mean 0 and deviation 1 that changes about `hertz` times a second."""
    points = rng.standard_normal(max(4, int(samples / RATE * hertz) + 4))
    return np.interp(np.linspace(0, len(points) - 1, samples), np.arange(len(points)), points)


def _add(out: Audio, at: int, sound_: Audio, gain: float) -> None:
    piece = sound_[: max(0, out.size - at)]
    out[at : at + piece.size] += np.float32(gain) * piece
