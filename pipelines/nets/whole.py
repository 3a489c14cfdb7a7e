"""One of a few words for a clip as a whole, instead of characters frame by frame.

Detectors look at 0.28 s at a time; how strongly each is moved on average, and how strongly at most, says the word. Where in the clip it stands and how long it
lasts is left out of it, and what is averaged over frames needs fewer speakers to be learnt than what each frame must say for itself.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipelines.nets.body import Convolution, hide

_KERNEL = 7  # pairs of frames
_DROPOUT = 0.5  # a few speakers teach it: without, it learns them by heart


class Whole(nn.Module):
    """frames (B, T, size), mask (B, T) -> what speaks for each of the vocabulary, shape (B, 1, vocabulary)."""

    def __init__(self, size: int, detectors: int, vocabulary: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        self.detectors = Convolution(size, detectors, _KERNEL)
        self.dropout = nn.Dropout(_DROPOUT)
        self.out = nn.Linear(2 * detectors, vocabulary)

    def normalise_by(self, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
        """Keep the moments of the frames of the training data, each of shape (size,): all numbers shall count alike."""
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(deviation))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        frames, mask = _pairs(hide((frames - self.mean) / self.deviation, mask), mask)
        moved = hide(torch.relu(self.detectors(self.dropout(frames), mask)), mask)
        summary = torch.cat((moved.sum(1) / mask.sum(1, keepdim=True), moved.amax(1)), -1)
        return self.out(self.dropout(summary)).unsqueeze(1)


def _pairs(frames: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """The mean of each two frames; the last may be alone."""
    odd = frames.shape[1] % 2
    frames, mask = nn.functional.pad(frames, (0, 0, 0, odd)), nn.functional.pad(mask, (0, odd))
    there = mask.unflatten(1, (-1, 2)).sum(2)
    return frames.unflatten(1, (-1, 2)).sum(2) / there.clamp(min=1).unsqueeze(-1), there > 0
