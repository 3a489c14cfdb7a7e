"""The one place the caller's audio is kept: its last seconds, by absolute media sample."""

import numpy as np
from numpy.typing import NDArray

from pipelines.units import SAMPLE_RATE

_BLOCK = SAMPLE_RATE  # samples allocated at a time: 32 kB
_FULL_SCALE = np.float32(1 / 32_768)


class SpanNotHeld(IndexError):
    """The samples asked for are not there yet, or not any more."""


class Ring:
    """16 kHz int16 samples [start, end) of a stream that began at sample 0.

    Memory is taken a block at a time as audio comes (one large array would be cleared by the allocator, and so be
    resident, from the start) and never exceeds `seconds` rounded up to whole blocks: 0.64 MB for 20 s.
    """

    def __init__(self, seconds: float = 20.0) -> None:
        """`seconds`: how much is held, at least; > 0."""
        count = -(-round(seconds * SAMPLE_RATE) // _BLOCK)
        if count < 1:
            raise ValueError(f"a ring must hold some audio, not {seconds} s")
        self._blocks: list[NDArray[np.int16] | None] = [None] * count
        self._size = count * _BLOCK
        self.end = 0
        """Index of the next sample to be written."""

    @property
    def start(self) -> int:
        """Index of the oldest sample held."""
        return max(0, self.end - self._size)

    def write(self, samples: NDArray[np.int16]) -> None:
        """Append `samples`, shape (n,), any n. The oldest make room."""
        at, end = self.end, self.end + len(samples)
        while at < end:
            block, offset = self._block(at)
            n = min(_BLOCK - offset, end - at)
            block[offset : offset + n] = samples[at - self.end : at - self.end + n]
            at += n
        self.end = end

    def span(self, first: int, last: int) -> NDArray[np.float32]:
        """A copy of samples [first, last) as float32 in [-1, 1). Raises SpanNotHeld unless start <= first <= last <=
        end."""
        if not self.start <= first <= last <= self.end:
            raise SpanNotHeld(f"media samples [{first}, {last}) are not held, only [{self.start}, {self.end})")
        out = np.empty(last - first, np.float32)
        at = first
        while at < last:
            block, offset = self._block(at)
            n = min(_BLOCK - offset, last - at)
            np.multiply(block[offset : offset + n], _FULL_SCALE, out=out[at - first : at - first + n])
            at += n
        return out

    def _block(self, sample: int) -> tuple[NDArray[np.int16], int]:
        """The block that keeps `sample`, and its place there."""
        index, offset = divmod(sample % self._size, _BLOCK)
        block = self._blocks[index]
        if block is None:
            block = self._blocks[index] = np.zeros(_BLOCK, np.int16)
        return block, offset
