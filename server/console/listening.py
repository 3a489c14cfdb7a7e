"""Listening in on a call: what both parties hear, as it is said, for one listener. Observing costs a call some microseconds a packet, and a
listener who is slow misses pieces; he never holds a call up."""

import asyncio
import struct
from collections import deque
from collections.abc import Iterable

import numpy as np

from pipelines.actions import Action, ClearMedia, SendMedia
from pipelines.audio.g711 import decode
from pipelines.events import CallEnded, Event, MediaReceived
from pipelines.frames import AudioFormat

_WAITING = 100  # packets: two seconds
_OPEN_END = 0xFFFF_FFFF


def wav_header(rate: int) -> bytes:
    """Of 16-bit stereo without an end, as players of streams take it (RIFF WAVE, 44 bytes)."""
    form = struct.pack("<4sI4s", b"RIFF", _OPEN_END, b"WAVE")
    kind = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, rate, rate * 4, 4, 16)
    return form + kind + struct.pack("<4sI", b"data", _OPEN_END)


class Listening:
    """An observer of one session, and the sound it makes: `async for piece in listening`, until the call is over.

    The caller's packets are the clock. What is sent to the caller waits here as it waits at the carrier, and is heard at the pace of
    his packets; a clear empties it."""

    def __init__(self, inbound: AudioFormat, outbound: AudioFormat) -> None:
        self.rate = inbound.sample_rate
        self.missed = 0
        """Pieces that the listener was too slow for."""
        self._inbound, self._outbound = inbound, outbound
        self._coming = bytearray()  # to the caller's ear, in the outbound format
        self._pieces: deque[bytes] = deque()
        self._news = asyncio.Event()
        self._over = False

    def __call__(self, at: int, event: Event, actions: Iterable[Action]) -> None:
        """A `server.session.Observer`."""
        if type(event) is MediaReceived:
            self._heard(event.payload)
        elif type(event) is CallEnded:
            self.close()
        for action in actions:
            if type(action) is SendMedia:
                self._coming += action.payload
            elif type(action) is ClearMedia:
                self._coming.clear()

    def close(self) -> None:
        self._over = True
        self._news.set()

    def _heard(self, payload: bytes) -> None:
        caller = decode(payload, self._inbound.encoding)
        agent = self._take(len(caller))
        if len(self._pieces) >= _WAITING:
            self._pieces.popleft()
            self.missed += 1
        self._pieces.append(np.stack([caller, agent], axis=1).astype("<i2").tobytes())
        self._news.set()

    def _take(self, samples: int) -> np.ndarray:
        """The agent's next samples, at the caller's rate; silence where there is nothing."""
        wanted = samples * self._outbound.sample_rate // self.rate
        size = wanted * self._outbound.bytes_per_sample
        piece = bytes(self._coming[:size])
        del self._coming[:size]
        sound = decode(piece, self._outbound.encoding)
        whole = np.zeros(wanted, np.int16)
        whole[: len(sound)] = sound
        if wanted == samples:
            return whole
        return whole[np.arange(samples) * wanted // samples]  # no carrier has two rates; it will do for listening

    def __aiter__(self) -> "Listening":
        return self

    async def __anext__(self) -> bytes:
        """All that has come since, at least one packet."""
        while not self._pieces:
            if self._over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        piece = b"".join(self._pieces)
        self._pieces.clear()
        return piece
