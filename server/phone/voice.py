"""The agent's voice on its way to a browser: a WebRTC track that is fed frames of L16 and gives out Opus, 20 ms at a time.

A session sends up to 200 ms ahead; the track keeps the pace, with silence while nothing is to be said, so that the browser's
jitter buffer keeps running. A mark is a place between two frames. WebRTC does not tell when the other end plays a packet: a mark
counts as played when the packet before it has left and the delay that the page last measured is over.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from fractions import Fraction

import av
from aiortc import MediaStreamTrack
from aiortc.mediastreams import MediaStreamError

from pipelines.units import PTIME_MS, SAMPLE_RATE
from server.wire.phone import FORMAT

_PTIME_S = PTIME_MS / 1_000
_SAMPLES = SAMPLE_RATE * PTIME_MS // 1_000
_SILENCE = FORMAT.silence(_SAMPLES * FORMAT.bytes_per_sample)
_LIMIT = 100  # frames and marks that wait; a session sends ten ahead
_LATE_S = 0.2  # a loop that was held up longer does not catch up
_CLOCK = 48_000  # of Opus in RTP, whatever the rate of its input (RFC 7587 section 4.1)
_BIT_RATE = 32_000  # wideband speech, transparent
_DELAY_S, _DELAY_LIMIT_S = 0.1, 1.0

Returned = Callable[[str, bool], None]
"""Told a mark's name, and whether it was cleared."""


class VoiceTrack(MediaStreamTrack):
    """`delay_s`: how long a packet takes from here to the ear, 0 to 1; the page tells."""

    kind = "audio"

    def __init__(self, returned: Returned) -> None:
        super().__init__()
        self._returned = returned
        self._loop = asyncio.get_running_loop()
        self._waiting: deque[bytes | str] = deque()
        self._in_ear: dict[str, asyncio.TimerHandle] = {}  # marks that have left
        self._encoder = _encoder()
        self._count = 0
        self._due: float | None = None
        self.delay_s = _DELAY_S
        self.dropped = 0
        """Frames that came faster than they could leave."""

    # ---- fed

    def media(self, payload: bytes) -> None:
        """A frame of L16 at 16 kHz, 20 ms."""
        if len(self._waiting) >= _LIMIT:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(payload)

    def mark(self, name: str) -> None:
        if len(self._waiting) >= _LIMIT:
            self._returned(name, True)
        elif self._waiting:
            self._waiting.append(name)
        else:
            self._leave(name)

    def clear(self) -> None:
        """Nothing of what waits is said. Marks that wait, and those not played yet, come back as cleared."""
        marks = [*self._in_ear, *(m for m in self._waiting if isinstance(m, str))]
        for timer in self._in_ear.values():
            timer.cancel()
        self._in_ear.clear()
        self._waiting.clear()
        for name in marks:
            self._returned(name, True)

    def measured(self, delay_s: float) -> None:
        """The page's measure of the delay; nonsense is held within bounds."""
        self.delay_s = min(max(delay_s, 0.0), _DELAY_LIMIT_S)

    def stop(self) -> None:
        super().stop()
        for timer in self._in_ear.values():
            timer.cancel()
        self._in_ear.clear()
        self._waiting.clear()

    # ---- read, by aiortc

    async def recv(self) -> av.Packet:
        """The next packet, when it is due."""
        now = self._loop.time()
        if self._due is None or now - self._due > _LATE_S:
            self._due = now
        await asyncio.sleep(self._due - now)
        if self.readyState != "live":
            raise MediaStreamError
        self._due += _PTIME_S
        return self._next()

    def _next(self) -> av.Packet:
        payload = self._waiting.popleft() if self._waiting else _SILENCE
        while self._waiting and isinstance(self._waiting[0], str):
            self._leave(self._waiting.popleft())
        assert isinstance(payload, bytes)  # a mark never waits first
        frame = av.AudioFrame(format="s16", layout="mono", samples=_SAMPLES)
        frame.planes[0].update(payload[: len(_SILENCE)].ljust(len(_SILENCE), b"\0"))
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, self._count * _SAMPLES, Fraction(1, SAMPLE_RATE)
        (encoded,) = self._encoder.encode(frame)
        packet = av.Packet(bytes(encoded))
        packet.pts, packet.time_base = self._count * _CLOCK * PTIME_MS // 1_000, Fraction(1, _CLOCK)
        self._count += 1
        return packet

    def _leave(self, name: str) -> None:
        self._in_ear[name] = self._loop.call_later(_PTIME_S + self.delay_s, self._played, name)

    def _played(self, name: str) -> None:
        del self._in_ear[name]
        self._returned(name, False)


def _encoder() -> av.AudioCodecContext:
    """A tenth of a millisecond a frame: it stays on the loop."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.format, encoder.layout, encoder.sample_rate = "s16", "mono", SAMPLE_RATE
    encoder.bit_rate, encoder.time_base = _BIT_RATE, Fraction(1, SAMPLE_RATE)
    encoder.options = {"application": "voip", "frame_duration": str(PTIME_MS), "compression_level": "5"}
    return encoder
