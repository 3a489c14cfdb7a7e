"""SpecAugment: parts of the features hidden, so that the net does not lean on any one of them."""

import numpy as np
from numpy.typing import NDArray


def spec_augment(
    features: NDArray[np.float32],
    rng: np.random.Generator,
    *,
    frequency_masks: int = 2,
    frequency_width: int = 15,
    time_masks: int = 2,
    time_share: float = 0.05,
) -> NDArray[np.float32]:
    """`features`, shape (frames, bins), with bands of up to `frequency_width` bins and stretches of up to `time_share` of
    the frames set to the mean of all (SpecAugment, Park et al. 2019, without its warping). A copy."""
    masked = features.copy()
    frames, bins = features.shape
    mean = features.mean() if features.size else 0.0
    for _ in range(frequency_masks):
        width = int(rng.integers(min(frequency_width, bins) + 1))
        first = int(rng.integers(bins - width + 1))
        masked[:, first : first + width] = mean
    for _ in range(time_masks):
        width = int(rng.integers(int(time_share * frames) + 1))
        first = int(rng.integers(frames - width + 1))
        masked[first : first + width] = mean
    return masked
