"""How much of a voice is left, and how much of the others: SI-SDR (Le Roux et al. 2019), and bounds over mixtures."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.models.ports import Audio


def si_sdr(found: Audio, wanted: Audio) -> float:
    """Scale-invariant signal-to-distortion ratio, dB: the part of `found` that is `wanted`, at whatever loudness, to what is not."""
    a, b = (x.astype(np.float64) - x.mean(dtype=np.float64) for x in (found, wanted))
    part = (a @ b) / max(b @ b, 1e-12) * b
    return float(10 * np.log10(max(part @ part, 1e-12) / max((a - part) @ (a - part), 1e-12)))


def mean_with_bounds(values: Sequence[float], *, draws: int = 2_000, seed: int = 0) -> tuple[float, float, float]:
    """The mean, and what holds it in 95 of 100 draws of as many mixtures."""
    row: NDArray[np.float64] = np.asarray(values, float)
    means = row[np.random.default_rng(seed).integers(len(row), size=(draws, len(row)))].mean(axis=1)
    low, high = np.percentile(means, (2.5, 97.5))
    return float(row.mean()), float(low), float(high)
