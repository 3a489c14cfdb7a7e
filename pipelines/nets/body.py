"""What all bodies have in common. A body looks at frames and describes each in the light of others; a family a file.

`forward(frames (B, T, width), mask (B, T)) -> (B, T, width)`; the mask is true on frames, false on padding. Two rules make an
item's result independent of what it is batched with: a layer that looks at neighbours sees zeros where the mask is false, and
nothing is normalised over time or over the batch (LayerNorm, never BatchNorm).
"""

from torch import Tensor, nn


class Body(nn.Module):
    """`past` and `future`: how many frames before and after its own a frame's result depends on; None is all there are.

    A finite `future` is what lets a net transcribe while it listens.
    """

    past: int | None = None
    future: int | None = None

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        raise NotImplementedError  # each family has its own


def hide(frames: Tensor, mask: Tensor) -> Tensor:
    """Zeros where there is padding."""
    return frames.masked_fill(~mask.unsqueeze(-1), 0.0)


class Convolution(nn.Module):
    """Over time, as long as it came in: half the kernel before, half behind, zeros beyond the edges."""

    def __init__(self, width: int, out: int, kernel: int, groups: int = 1) -> None:
        super().__init__()
        self.kernel = nn.Conv1d(width, out, kernel, padding=kernel // 2, groups=groups)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        return self.kernel(hide(frames, mask).transpose(1, 2)).transpose(1, 2)
