"""Sending the agent's audio at the pace of the caller's ear, and knowing how much of it was heard.

Audio is queued by reply and chunk, cut into 20 ms frames and handed out on an absolute schedule, never more than `lead_us`
ahead of the ear: what has not left can still be taken back when a carrier cannot clear, and what was heard is known to
within the lead even on a wire without marks. With marks it is known to the last mark plus the time since.

Three positions, in microseconds of audio since the call's start: heard <= sent <= queued.
The ear is assumed to start a run of audio when its first frame leaves, and to play on without a break while frames keep coming.
"""

from collections import deque

import msgspec

from pipelines.actions import Action, SendMark, SendMedia
from pipelines.frames import AudioFormat
from pipelines.units import PTIME_MS, PTIME_US

_KEPT_US = 500_000  # of what has left, kept to be sent again: the largest lead, and the delay of a network


class ChunkHeard(msgspec.Struct, frozen=True):
    """How much of a chunk's audio was heard and how much of it exists so far, in microseconds."""

    reply: int
    chunk: int
    heard_us: int
    queued_us: int


class _Chunk:
    __slots__ = ("chunk", "queued", "reply", "sent", "start")

    def __init__(self, reply: int, chunk: int, start: int) -> None:
        self.reply, self.chunk = reply, chunk
        self.start = start  # position of its first microsecond
        self.sent = 0
        self.queued = 0


class Playout:
    """The outbound ledger of one call. `at` is call time in microseconds and never goes backwards."""

    def __init__(self, outbound: AudioFormat, lead_us: int, mark_every_us: int = 0) -> None:
        """`mark_every_us`: distance between marks; 0 sends none (a wire without marks, an echo)."""
        self._format = outbound
        self._lead = lead_us
        self._mark_every = mark_every_us
        self._frame_bytes = outbound.bytes_in(PTIME_MS)
        self._pending: deque[tuple[_Chunk, bytes]] = deque()
        self._gone: deque[list[tuple[_Chunk, bytes]]] = deque(maxlen=_KEPT_US // PTIME_US)  # frames that left last
        self._holds = 0
        self._offset = 0  # bytes of the first pending piece that have left
        self._chunks: deque[_Chunk] = deque()
        self.sent = 0
        self.queued = 0
        self._run_origin = 0  # call time at which the ear began the current run of audio
        self._run_start = 0  # position at which that run began
        self._marks: dict[str, int] = {}  # mark name -> position
        self._marked = 0  # position of the last mark sent
        self._mark_position = 0  # position of the last mark that came back
        self._mark_at = -1  # when it did, or -1

    # ---- in

    def queue(self, reply: int, chunk: int, audio: bytes) -> None:
        """Append audio of a chunk. Chunks are played in the order of their first piece."""
        if not audio:
            return
        last = self._chunks[-1] if self._chunks else None
        if last is None or last.reply != reply or last.chunk != chunk:
            last = _Chunk(reply, chunk, self.queued)
            self._chunks.append(last)
        duration = self._format.duration_us(len(audio))
        last.queued += duration
        self.queued += duration
        self._pending.append((last, audio))

    # ---- out

    def pump(self, at: int) -> list[Action]:
        """Frames and marks to send now. Call again at `due`."""
        if not self._pending:
            return []
        if at >= self.ear_end:  # the ear has run dry: a new run starts with the next frame
            self._run_origin, self._run_start = at, self.sent
        actions: list[Action] = []
        horizon = self._run_start + at - self._run_origin + self._lead
        while self._pending and self.sent + PTIME_US <= horizon:
            actions.append(SendMedia(self._next_frame()))
            if self._mark_every and (not self._pending or self.sent - self._marked >= self._mark_every):
                actions.append(self._mark())
        return actions

    @property
    def due(self) -> int | None:
        """Call time at which `pump` has something to send again; None while nothing is queued."""
        if not self._pending:
            return None
        return self._run_origin + self.sent + PTIME_US - self._lead - self._run_start

    def _next_frame(self) -> bytes:
        need = self._frame_bytes
        chunk, audio = self._pending[0]
        if self._offset == 0 and len(audio) == need:  # a packet-sized piece goes out as it is
            self._pending.popleft()
            self._account(chunk, need)
            self._gone.append([(chunk, audio)])
            return audio
        parts: list[tuple[_Chunk, bytes]] = []
        while need and self._pending:
            chunk, audio = self._pending[0]
            piece = audio[self._offset : self._offset + need]
            parts.append((chunk, piece))
            self._account(chunk, len(piece))
            need -= len(piece)
            self._offset += len(piece)
            if self._offset >= len(audio):
                self._pending.popleft()
                self._offset = 0
        if need:  # the last frame is filled up with silence, which belongs to its last chunk
            parts.append((chunk, self._format.silence(need)))
            padding = self._format.duration_us(need)
            chunk.queued += padding
            self.queued += padding
            self._account(chunk, need)
        self._gone.append(parts)
        return b"".join(piece for _, piece in parts)

    def _account(self, chunk: _Chunk, n_bytes: int) -> None:
        duration = self._format.duration_us(abs(n_bytes)) * (1 if n_bytes >= 0 else -1)
        chunk.sent += duration
        self.sent += duration

    def _mark(self) -> SendMark:
        self._marked = self.sent
        name = f"r{self._chunks[-1].reply}:{self.sent // PTIME_US}"
        if self._holds:  # this far it may have been sent before
            name += f":{self._holds}"
        self._marks[name] = self.sent
        return SendMark(name)

    # ---- the ear

    @property
    def ear_end(self) -> int:
        """Call time at which the ear will have played all that was sent."""
        return self._run_origin + self.sent - self._run_start

    @property
    def end(self) -> int:
        """Call time at which the ear will have played all that is queued, if it leaves on schedule."""
        return self._run_origin + self.queued - self._run_start

    def idle(self, at: int) -> bool:
        """Whether nothing is queued and the ear, by the clock, has played everything."""
        return not self._pending and at >= self.ear_end

    def mark_returned(self, name: str, at: int) -> bool:
        """A mark came back. True if it was outstanding; one that a clear brought back says nothing and is False."""
        position = self._marks.pop(name, None)
        if position is None:
            return False
        if position > self._mark_position:
            self._mark_position, self._mark_at = position, at
            # whatever lies before was played too, though its mark may have been lost on the way
            self._marks = {later: p for later, p in self._marks.items() if p > position}
        return True

    @property
    def marks_outstanding(self) -> int:
        return len(self._marks)

    def heard(self, at: int) -> int:
        """Position of the ear: by the schedule, corrected by the marks (which know the network's delay)."""
        scheduled = min(self.sent, self._run_start + at - self._run_origin)
        if self._mark_at < 0 or self._mark_position < self._run_start:
            return max(scheduled, self._run_start)
        by_mark = self._mark_position + at - self._mark_at
        return min(scheduled, max(self._mark_position, by_mark))

    def heard_chunks(self, reply: int, at: int) -> list[ChunkHeard]:
        """What was heard of each queued chunk of `reply`, in order."""
        position = self.heard(at)
        return [
            ChunkHeard(c.reply, c.chunk, max(0, min(position - c.start, c.sent)), c.queued)
            for c in self._chunks
            if c.reply == reply
        ]

    def forget(self, reply: int) -> None:
        """Drop the ledger of a reply that is over, and of all before it."""
        while self._chunks and self._chunks[0].reply <= reply:
            self._chunks.popleft()

    def hold(self, at: int) -> None:
        """Take back everything the ear has not begun to play, to be sent again when `pump` is next called: for the ear, a pause.
        Marks still out become void."""
        unheard = (self.sent - self.heard(at)) // PTIME_US
        if self._pending and self._offset:
            chunk, audio = self._pending[0]
            self._pending[0] = chunk, audio[self._offset :]
        self._offset = 0
        for _ in range(min(unheard, len(self._gone))):
            for chunk, piece in reversed(self._gone.pop()):
                self._account(chunk, -len(piece))
                self._pending.appendleft((chunk, piece))
        self._holds += 1
        self._new_run(at)

    def clear(self, at: int) -> None:
        """Take back everything the ear has not played: ask `heard_chunks` before. Marks still out become void."""
        self.cut_short(at)
        self._chunks.clear()

    def cut_short(self, at: int) -> None:
        """Take back what is left of the last chunk, all before it having been played, and keep the ledger: it counts as heard."""
        self._pending.clear()
        self._gone.clear()
        self._offset = 0
        if self._chunks:
            self._chunks[-1].queued = self._chunks[-1].sent
        self.queued = self.sent
        self._new_run(at)

    def _new_run(self, at: int) -> None:
        """The ear has run dry. What was marked and did not come back never will."""
        self._marks.clear()
        self._run_origin, self._run_start = at, self.sent
        self._marked = self._mark_position = self.sent
        self._mark_at = -1
