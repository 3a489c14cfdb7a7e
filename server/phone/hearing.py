"""The caller's voice on its way from a browser: what aiortc decodes, as an unbroken stream of L16 at 16 kHz."""

import asyncio
from collections.abc import Callable

import av
import numpy as np
from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterBuffer, JitterFrame
from aiortc.rtp import RtpPacket

from pipelines.audio.resample import Resampler
from pipelines.units import SAMPLE_RATE

_RATE = 48_000  # what aiortc decodes Opus to
_GAP_LIMIT = 1 * _RATE  # a longer hole is a pause of the sender's, not a loss
_PACKETS_LIMIT = 400  # a second: Opus packets are at least 2.5 ms
_HALF = 1 << 15


class Hearing:
    """Frames of one track in, frames of L16 out: as many samples a third as came in, but for the filter's reach."""

    def __init__(self) -> None:
        self._resampler = Resampler(_RATE, SAMPLE_RATE)
        self._end: int | None = None  # timestamp after the last sample
        self.lost = 0
        """Samples at 48 kHz that were lost on the way, and are silence."""

    def receive(self, frame: av.AudioFrame) -> bytes:
        """The next frame's sound, with silence before it where something was lost."""
        channels = len(frame.layout.channels)
        pcm = frame.to_ndarray().reshape(-1, channels)
        mono = pcm[:, 0] if channels == 1 else (pcm.astype(np.int32).sum(axis=1) // channels).astype(np.int16)
        if self._end is not None and frame.pts is not None and 0 < frame.pts - self._end <= _GAP_LIMIT:
            gap = frame.pts - self._end
            self.lost += gap
            mono = np.concatenate((np.zeros(gap, np.int16), mono))
        self._end = None if frame.pts is None else frame.pts + len(pcm)
        return self._resampler.process(mono).tobytes()


class Straight(JitterBuffer):
    """A jitter buffer that keeps nothing: a packet is decoded when it comes.

    aiortc's own holds four packets back (80 ms of every answer), and after a loss waits for sixteen. Order is kept here by leaving
    out what comes late, time by `Hearing`."""

    def __init__(self, clock: Callable[[], float]) -> None:
        super().__init__(capacity=16)
        self._clock = clock
        self._last: int | None = None
        self._second, self._count = -1, 0

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        second = int(self._clock())
        if second != self._second:
            self._second, self._count = second, 0
        self._count += 1
        # newer than the last, modulo 2^16 (RFC 3550 appendix A.1); what floods is dropped before it is decoded
        ahead = (packet.sequence_number - self._last) & 0xFFFF if self._last is not None else 1
        if not 0 < ahead < _HALF or self._count > _PACKETS_LIMIT:
            return False, None
        self._last = packet.sequence_number
        return False, JitterFrame(packet._data, packet.timestamp)


def hear_at_once(receiver: RTCRtpReceiver) -> None:
    """Replace a receiver's jitter buffer. aiortc has no setting for it: its version is pinned, and a test counts the packets."""
    name = "_RTCRtpReceiver__jitter_buffer"
    if not hasattr(receiver, name):
        raise AttributeError("this version of aiortc keeps its jitter buffer elsewhere")
    setattr(receiver, name, Straight(asyncio.get_running_loop().time))
