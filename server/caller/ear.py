"""The carrier's playout buffer and the caller's ear behind it. Pure: every method is told the time.

Audio that arrives while the buffer is empty is audible at once; audio that arrives while it plays is audible after it,
without a break; a clear throws away what has not been played. So the waveform in the ear is known exactly, and with it
when the agent was first audible, when it fell silent, and which marks it has passed. The network between server and
carrier has no delay here.

Times (`at`, and what is returned) are microseconds since the stream began.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]

_BLOCK_US = 5_000
_AUDIBLE_RMS = 32_768 * 10 ** (-50 / 20)  # -50 dBFS: over the noise of an 8-bit codec, under a whisper
_SECOND = 1_000_000


def levels(pcm: Pcm, rate: int) -> NDArray[np.float64]:
    """RMS of each whole 5 ms of `pcm` (int16, `rate` Hz), on the scale of the samples."""
    block = rate * _BLOCK_US // _SECOND
    whole = pcm[: len(pcm) // block * block].astype(np.float64).reshape(-1, block)
    return np.sqrt(np.mean(whole * whole, axis=1))


class Ear:
    """What one caller hears. `rate`: Hz of the audio the carrier is sent."""

    def __init__(self, rate: int = 8_000) -> None:
        self.rate = rate
        self._wave: Pcm = np.zeros(rate * 30, np.int16)
        self._until = 0  # sample at which the buffer runs empty
        self._marks: deque[tuple[str, int]] = deque()
        self.clears: list[int] = []
        """When the buffer was cleared."""

    def receive(self, pcm: Pcm, at: int) -> None:
        """Audio arrives: int16, mono, any length."""
        first = max(self._sample(at), self._until)
        last = first + len(pcm)
        if last > len(self._wave):
            self._wave = np.concatenate([self._wave, np.zeros(last, np.int16)])
        self._wave[first:last] = pcm
        self._until = last

    def mark(self, name: str, at: int) -> int:
        """A mark arrives behind the audio sent so far; returns when it will have been passed."""
        due = max(self._time(self._until), at)
        self._marks.append((name, due))
        return due

    def passed(self, at: int) -> list[str]:
        """Marks the ear has reached by now, each told once, in order."""
        names = []
        while self._marks and self._marks[0][1] <= at:
            names.append(self._marks.popleft()[0])
        return names

    def clear(self, at: int) -> list[str]:
        """Throw away what has not been played; returns every mark that was still pending."""
        now = self._sample(at)
        self._wave[now : max(self._until, now)] = 0
        self._until = min(self._until, now)
        self.clears.append(at)
        names = [name for name, _ in self._marks]
        self._marks.clear()
        return names

    def forget_marks(self) -> None:
        """Drop every pending mark unsaid."""
        self._marks.clear()

    @property
    def pending(self) -> int:
        """Marks not yet reached."""
        return len(self._marks)

    def wave(self, at: int) -> Pcm:
        """Everything heard until `at`: int16 at `rate`, silence where nothing played."""
        return self._between(0, at).copy()

    def audible_from(self, after: int, at: int) -> int | None:
        """The first moment in [after, at) at which the agent could be heard, to 5 ms, or None."""
        loud = np.flatnonzero(self._audible(after, at))
        return after + int(loud[0]) * _BLOCK_US if len(loud) else None

    def audible_until(self, after: int, at: int) -> int:
        """The last moment in [after, at) at which the agent could be heard, to 5 ms; `after` when it could not at
        all."""
        loud = np.flatnonzero(self._audible(after, at))
        return after + int(loud[-1] + 1) * _BLOCK_US if len(loud) else after

    def heard(self, after: int, at: int) -> int:
        """How long the agent was audible in [after, at), in microseconds."""
        return int(self._audible(after, at).sum()) * _BLOCK_US

    def _audible(self, after: int, at: int) -> NDArray[np.bool_]:
        return levels(self._between(after, at), self.rate) > _AUDIBLE_RMS

    def _between(self, after: int, at: int) -> Pcm:
        last = self._sample(at)
        if last > len(self._wave):
            self._wave = np.concatenate([self._wave, np.zeros(last, np.int16)])
        return self._wave[self._sample(after) : last]

    def _sample(self, at: int) -> int:
        return at * self.rate // _SECOND

    def _time(self, sample: int) -> int:
        return -(-sample * _SECOND // self.rate)
