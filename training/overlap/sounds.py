"""Sounds of a caller who says nothing, made up, since there are hardly any free recordings of them: hums, coughs. What else a line has is in
`training/vad/sounds.py`.

Each takes a generator of random numbers, and gives float32 at 16 kHz of any loudness.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import signal

Audio = NDArray[np.float32]
RATE = 16_000


def hum(rng: np.random.Generator) -> Audio:
    """ "Mm", "mm-hmm", "hm?": one or two nasal bumps whose pitch falls, rises or stays."""
    pitch = rng.uniform(75, 280)
    bumps = [_bump(rng, pitch * rng.uniform(0.9, 1.2)) for _ in range(rng.choice((1, 1, 2)))]
    if len(bumps) == 2:
        gap = np.zeros(int(rng.uniform(0.01, 0.09) * RATE), np.float32)
        breath = rng.standard_normal(gap.size).astype(np.float32) * np.float32(rng.uniform(0, 0.05))
        bumps.insert(1, gap + breath)
    return np.concatenate(bumps)


def _bump(rng: np.random.Generator, pitch: float) -> Audio:
    samples = int(rng.uniform(0.12, 0.6) * RATE)
    time = np.linspace(0, 1, samples)
    hertz = pitch * 2 ** (rng.uniform(-0.5, 0.6) * time + rng.uniform(-0.2, 0.2) * np.sin(np.pi * time))
    phase = 2 * np.pi * np.cumsum(hertz) / RATE
    overtones = np.arange(1, 25)
    # A nose is a low resonance, and little above it.
    formant, width = rng.uniform(220, 400), rng.uniform(100, 250)
    second, share = rng.uniform(900, 2_500), rng.uniform(0.0, 0.12)
    gains = [
        1 / (1 + ((pitch * k - formant) / width) ** 2) + share / (1 + ((pitch * k - second) / 300) ** 2)
        for k in overtones
    ]
    voice = sum(g * np.sin(k * phase + rng.uniform(0, 6)) for k, g in zip(overtones, gains, strict=True))
    attack, decay = rng.uniform(0.02, 0.3), rng.uniform(0.1, 0.6)
    shape = np.minimum(np.minimum(time / attack, (1 - time) / decay), 1.0)
    return (voice * shape).astype(np.float32)


def cough(rng: np.random.Generator) -> Audio:
    """One to three bursts of breath through a throat, the end of each a falling voice; clearing the throat is the same, slower."""
    coughs = []
    for _ in range(rng.integers(1, 4)):
        samples = int(rng.uniform(0.12, 0.4) * RATE)
        time = np.linspace(0, 1, samples)
        noise = rng.standard_normal(samples)
        hertz = rng.uniform(90, 260) * (1 - rng.uniform(0.1, 0.4) * time)
        voice = signal.sawtooth(2 * np.pi * np.cumsum(hertz) / RATE) * rng.uniform(0, 1.5) * time
        source = noise * np.exp(-rng.uniform(2, 9) * time) + voice * np.exp(-rng.uniform(1, 4) * time)
        out = sum(_resonance(source, rng.uniform(*band), rng.uniform(80, 400)) for band in _THROAT)
        coughs += [
            (out * np.minimum(time / 0.03, 1)).astype(np.float32),
            np.zeros(int(rng.uniform(0.05, 0.25) * RATE), np.float32),
        ]
    return np.concatenate(coughs[:-1])


_THROAT = ((350, 900), (1_000, 1_800), (2_200, 3_300))  # Hz


def _resonance(source: NDArray, hertz: float, width: float) -> NDArray:
    radius = np.exp(-np.pi * width / RATE)
    return signal.lfilter([1 - radius], [1, -2 * radius * np.cos(2 * np.pi * hertz / RATE), radius**2], source)
