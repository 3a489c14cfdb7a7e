"""The one place the caller's audio is kept: the last seconds of 16 kHz int16, by absolute media sample."""

import numpy as np
from numpy.typing import NDArray

from pipelines.units import SAMPLE_RATE


class Ring:
    def __init__(self, seconds: float = 20.0) -> None:
        self._size = int(seconds * SAMPLE_RATE)
        self._buffer = np.zeros(SAMPLE_RATE, np.int16)
        self.end = 0

    @property
    def start(self) -> int:
        return max(0, self.end - self._size)

    def write(self, samples: NDArray[np.int16]) -> None:
        samples = samples[-self._size :]
        need = self.end + len(samples)
        while len(self._buffer) < self._size and len(self._buffer) < need:
            grown = np.zeros(min(self._size, len(self._buffer) * 2), np.int16)
            grown[: self.end] = self._buffer[: self.end]
            self._buffer = grown
        at = self.end % len(self._buffer)
        first = min(len(samples), len(self._buffer) - at)
        self._buffer[at : at + first] = samples[:first]
        self._buffer[: len(samples) - first] = samples[first:]
        self.end = need

    def span(self, first: int, last: int) -> NDArray[np.float32]:
        if first < self.start or last > self.end or first > last:
            raise IndexError(f"span {first}..{last} is not held ({self.start}..{self.end})")
        i, j = first % len(self._buffer), last % len(self._buffer)
        if first == last:
            part = self._buffer[:0]
        else:
            part = self._buffer[i:j] if i < j else np.concatenate((self._buffer[i:], self._buffer[:j]))
        return part.astype(np.float32) / 32768.0
