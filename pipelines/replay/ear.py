"""The caller's ear: what of the agent's audio he heard, and when.

Frames queue at the carrier and play one after another, in real time, from when they were sent. A clear empties the
queue, and what was playing stops there. Network delay is left out: a frame is heard when it is sent, if nothing is
before it.
"""

from collections import deque

import msgspec

from pipelines.actions import Action, ClearMedia, SendMark, SendMedia
from pipelines.frames import AudioFormat
from pipelines.replay.dump import Dump


class Sound(msgspec.Struct, frozen=True):
    """Audio without a break, in the wire's format, from call time `at` (microseconds) on."""

    at: int
    audio: bytes


class Ear:
    """Plays what is sent, returns marks when they are reached. Times are call times, and never go backwards."""

    def __init__(self, outbound: AudioFormat) -> None:
        self._format = outbound
        self._pieces: list[Sound] = []
        self._marks: deque[tuple[int, str]] = deque()
        self.end = 0
        """Call time at which everything sent so far will have been played."""

    def take(self, at: int, action: Action) -> list[str]:
        """An action for the carrier (others say nothing). Returns the marks that a clear made void."""
        if isinstance(action, SendMedia):
            start = max(at, self.end)
            self._pieces.append(Sound(start, action.payload))
            self.end = start + self._format.duration_us(len(action.payload))
        elif isinstance(action, SendMark):
            self._marks.append((max(at, self.end), action.name))
        elif isinstance(action, ClearMedia):
            return self._clear(at)
        return []

    def _clear(self, at: int) -> list[str]:
        while self._pieces and self._pieces[-1].at >= at:
            self._pieces.pop()
        if self._pieces:
            last = self._pieces[-1]
            kept = (at - last.at) * self._format.sample_rate // 1_000_000 * self._format.bytes_per_sample
            self._pieces[-1] = Sound(last.at, last.audio[:kept])
        self.end = min(self.end, at)
        void = [name for _, name in self._marks]
        self._marks.clear()
        return void

    @property
    def mark_at(self) -> int | None:
        """Call time at which the next mark will be reached, or None."""
        return self._marks[0][0] if self._marks else None

    def return_mark(self) -> str:
        """Take the next mark off: it was reached."""
        return self._marks.popleft()[1]

    def pieces(self) -> list[Sound]:
        """Everything heard so far, as it was sent."""
        return list(self._pieces)

    def heard(self) -> list[Sound]:
        """Everything heard so far, pieces without a break between them joined."""
        joined: list[tuple[int, bytearray]] = []
        end = -1
        for piece in self._pieces:
            if piece.at == end:
                joined[-1][1].extend(piece.audio)
            else:
                joined.append((piece.at, bytearray(piece.audio)))
            end = piece.at + self._format.duration_us(len(piece.audio))
        return [Sound(at, bytes(audio)) for at, audio in joined]


def heard(dump: Dump) -> list[Sound]:
    """What the caller of a recorded call heard of the agent."""
    ear = Ear(dump.meta.outbound)
    for at, action in dump.actions(SendMedia, ClearMedia):
        ear.take(at, action)
    return ear.heard()
