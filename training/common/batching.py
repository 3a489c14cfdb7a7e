"""Which clips share a batch."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_WINDOW = 8
"""Batches' worth of clips that are sorted by length together: clips in a batch are alike, the batches stay mixed."""


def alike(lengths: Sequence[int], size: int, *, seed: int, epoch: int) -> list[NDArray[np.intp]]:
    """An epoch's batches of at most `size`, as places in `lengths`: all shuffled, then alike lengths together, then the batches
    shuffled. The same seed and epoch give the same in every process."""
    rng = np.random.default_rng([seed, epoch])
    order = rng.permutation(len(lengths))
    batches = []
    for start in range(0, len(order), _WINDOW * size):
        near = order[start : start + _WINDOW * size]
        near = near[np.argsort([lengths[i] for i in near], kind="stable")]
        batches += [near[k : k + size] for k in range(0, len(near), size)]
    return [batches[i] for i in rng.permutation(len(batches))]
