"""Carrier packets put right by their timestamps: order restored, duplicates dropped, holes concealed.

What comes in order goes straight through. A packet that leaves a hole before it is held; the hole is given up as soon
as a packet comes that begins 60 ms or more after it does. So a 20 ms frame may be overtaken by two others, and a lost
one costs 60 ms once.

Positions are sample indices at the wire's rate since the first packet, whose timestamp is the base of all others.
Timestamps are whole milliseconds from machines we do not know, so they are believed only within reason:

    timestamp, against the position expected          taken as
    ------------------------------------------------  -------------------------------------------------------------
    within half a packet (10 ms at most)              in order: carriers stamp when they send, not when it was said
    ahead, up to 10 s                                 a hole; beyond 300 ms a pause of the carrier (mute, DTX)
    ahead by more, or a second ahead of the call's    a new base: it goes on here (an invented timestamp must not make
      clock                                             us fill hours with silence)
    behind, up to 2 s                                 late or duplicated: dropped, but for an end that is new
    behind by more                                    a new base: the carrier's clock started again
    the same ten times running                        a clock that stands still: timestamps are ignored from now on

Concealment has the idea of ITU-T G.711 Appendix I (repeat what was last heard, fade to silence within 60 ms) without
its search for the pitch: the last packet (20 ms of it, at most) is repeated mirrored, which joins without a click. The
listener is a recogniser, not an ear.
"""

from bisect import insort
from collections import deque

import numpy as np
from numpy.typing import NDArray

from pipelines.units import SECOND

Samples = NDArray[np.int16]

_WINDOW_MS = 60
_PAUSE_MS = 300
_JUMP_MS = 10_000
_RESTART_MS = 2_000  # more than _HASTE_US: a stray old packet must not make the next one a pause
_TOLERANCE_MS = 10
_REPEAT_MS = 20
_FADE_MS = 60
_HASTE_US = 1 * SECOND
_STANDSTILL = 10  # packets
_HOLES = 32  # remembered, to tell a late packet from a duplicate


class Jitter:
    """The packets of one call. What counts packets counts a hole as the number of last packets that would fill it."""

    def __init__(self, sample_rate: int) -> None:
        """`sample_rate`: the wire's, Hz."""
        self.end = 0
        """Position up to which audio was given out."""
        self.lost = 0
        """Packets that were concealed; a pause of more than 300 ms is no loss."""
        self.late = 0
        """Packets that came when their place was concealed already; dropped."""
        self.duplicated = 0
        """Packets that came again; dropped."""
        self.reordered = 0
        """Packets that came after one that follows them, and were put in their place."""
        self._rate = sample_rate
        self._finest, self._coarsest = self._samples(1), self._samples(_TOLERANCE_MS)  # of what counts as in order
        self._base: tuple[int, int] | None = None  # a timestamp, and its position
        self._began_at = 0  # call time of position 0, as the first packet tells it
        self._last: Samples = np.zeros(0, np.int16)  # the last packet given out
        self._held: list[tuple[int, Samples]] = []  # packets by position; before the first of them is a hole
        self._holes: deque[tuple[int, int]] = deque(maxlen=_HOLES)  # concealed, [first, last)
        self._stamp: int | None = None  # timestamp of the last packet that was behind
        self._stood = 0  # how often running it was the same
        self._blind = False

    def receive(self, at: int, timestamp: int | None, samples: Samples) -> Samples:
        """Take a packet that came at call time `at` (microseconds); give the audio that is now in order, shape (n,).

        That is most often `samples` itself, else nothing, or more: what was held, what was concealed. `timestamp` is
        in milliseconds; None says that the packet follows what came before."""
        length = len(samples)
        if not length:
            return samples
        if timestamp is None or self._blind:
            ahead = 0
        elif self._base is None:
            self._began_at = at - self._us(self.end + length)
            self._base, ahead = (timestamp, self.end), 0
        else:
            base, position = self._base
            ahead = position + (timestamp - base) * self._rate // 1_000 - self.end
        tolerance = self._tolerance(samples)
        if ahead < -tolerance:
            assert timestamp is not None
            return self._past(timestamp, -ahead, tolerance, samples)
        if ahead > tolerance:
            assert timestamp is not None
            return self._future(at, timestamp, ahead, tolerance, samples)
        if self._held:
            return self._missing(samples)
        return self._give(samples)  # nearly always

    # ---- by where the packet lies

    def _missing(self, samples: Samples) -> Samples:
        """What was waited for."""
        self.reordered += 1
        return np.concatenate([self._give(samples), *self._release()])

    def _past(self, timestamp: int, behind: int, tolerance: int, samples: Samples) -> Samples:
        if behind > self._samples(_RESTART_MS):
            return self._start_again(timestamp, samples)
        if behind < len(samples) - tolerance:  # cut differently than what came before: the rest of it is new
            return np.concatenate([self._give(samples[behind:]), *self._release()])
        first = self.end - behind
        if any(a < first + len(samples) and first < b for a, b in self._holes):
            self.late += 1
        else:
            self.duplicated += 1
        self._stood = self._stood + 1 if timestamp == self._stamp else 1
        self._stamp = timestamp
        self._blind = self._stood >= _STANDSTILL
        return samples[:0]

    def _future(self, at: int, timestamp: int, ahead: int, tolerance: int, samples: Samples) -> Samples:
        position = self.end + ahead
        hasty = self._us(position + len(samples)) > at - self._began_at + _HASTE_US
        if hasty or ahead > self._samples(_JUMP_MS):
            return self._start_again(timestamp, samples)
        if any(abs(held - position) <= tolerance for held, _ in self._held):
            self.duplicated += 1
            return samples[:0]
        self.reordered += bool(self._held) and position < self._held[-1][0]
        insort(self._held, (position, samples), key=_place)
        given: list[Samples] = []
        while self._held and self._held[-1][0] - self.end >= self._samples(_WINDOW_MS):
            given += self._give_up()
        return np.concatenate(given) if given else samples[:0]

    def _start_again(self, timestamp: int, samples: Samples) -> Samples:
        """Its timestamp cannot be placed: it goes on where the audio is, and is the base from now on."""
        given: list[Samples] = []
        while self._held:
            given += self._give_up()
        self._base = (timestamp, self.end)
        return np.concatenate([*given, self._give(samples)])

    # ---- giving out

    def _give(self, samples: Samples) -> Samples:
        self.end += len(samples)
        self._last = samples
        return samples

    def _give_up(self) -> list[Samples]:
        """Conceal the first hole, and give what follows it."""
        length = self._held[0][0] - self.end
        self._holes.append((self.end, self.end + length))
        if length <= self._samples(_PAUSE_MS):
            self.lost += max(1, round(length / len(self._last)))
        self.end += length
        return [self._conceal(length), *self._release()]

    def _release(self) -> list[Samples]:
        """What was held and now follows without a hole."""
        given: list[Samples] = []
        while self._held:
            position, samples = self._held[0]
            overlap, tolerance = self.end - position, self._tolerance(samples)
            if overlap < -tolerance:
                break
            del self._held[0]
            if overlap <= tolerance:
                given.append(self._give(samples))
            elif overlap < len(samples) - tolerance:
                given.append(self._give(samples[overlap:]))
        return given

    def _conceal(self, length: int) -> Samples:
        made = np.zeros(length, np.int16)
        fade = self._samples(_FADE_MS)
        tail = self._last[-self._samples(_REPEAT_MS) :]
        n = min(length, fade)
        made[:n] = np.resize(np.concatenate((tail[::-1], tail)), n) * np.linspace(1.0, 0.0, fade, endpoint=False)[:n]
        return made

    # ---- units

    def _tolerance(self, samples: Samples) -> int:
        return max(self._finest, min(self._coarsest, len(samples) // 2))

    def _samples(self, ms: int) -> int:
        return ms * self._rate // 1_000

    def _us(self, position: int) -> int:
        return position * SECOND // self._rate


def _place(held: tuple[int, Samples]) -> int:
    return held[0]
