"""A phone on an open stream: the ear and the mouth on one absolute schedule. Each carrier says how its frames look."""

import asyncio
import time
from abc import ABC, abstractmethod
from contextlib import suppress

import numpy as np
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from pipelines.errors import AlloError
from server.caller.ear import Ear, Pcm
from server.caller.mouth import Mouth

PTIME_MS = 20


class CallRefused(AlloError):
    """The server did not take the call."""


class Line(ABC):
    """One call in progress, seen from the phone. Times are microseconds since the stream began.

    A frame leaves when its last sample has been said, as on a real line, and never drifts: frame k leaves at k * 20 ms.
    """

    def __init__(self, socket: ClientConnection, call_id: str, ear: Ear, mouth: Mouth) -> None:
        self.call_id, self.ear, self.mouth = call_id, ear, mouth
        self.lateness = 0
        """The most by which a frame left late, in microseconds: how busy this side was."""
        self.ended_at: int | None = None
        """When the call ended, whoever ended it."""
        self.left = False
        """Whether it was the caller who hung up."""
        self.complaints: list[str] = []
        """What the server sent that a carrier does not take."""
        self._socket = socket
        self._outbox: asyncio.Queue[str | bytes] = asyncio.Queue()
        self._born = time.monotonic_ns()
        self._over = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def now(self) -> int:
        return (time.monotonic_ns() - self._born) // 1_000

    def say(self, pcm: Pcm) -> tuple[int, int]:
        """Say a clip; returns when its first and last sounds leave the mouth."""
        return self.mouth.say(pcm)

    @abstractmethod
    def press(self, digit: str) -> None:
        """Press one key."""

    async def hang_up(self) -> None:
        """The caller hangs up."""
        self.left = True
        for task in self._tasks[:2]:
            task.cancel()
        with suppress(ConnectionClosed):  # the server was quicker
            await self._leave()
        await self._over.wait()

    async def drop(self) -> None:
        """The line breaks: no goodbye on any level, as when a carrier's host dies."""
        self.left = True
        self._socket.transport.abort()
        await self._over.wait()

    async def wait_ended(self, seconds: float) -> bool:
        """Wait at most `seconds` for the call to end; whether it has."""
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return False
        return True

    # ---- for the carriers

    def _open(self) -> None:
        """Start the clock, the mouth and the ear."""
        self._born = time.monotonic_ns()
        self._tasks = [asyncio.create_task(job()) for job in (self._talk, self._write, self._listen)]

    def _send(self, message: str | bytes) -> None:
        self._outbox.put_nowait(message)

    @abstractmethod
    def _audio(self, pcm: Pcm) -> str | bytes:
        """One frame of the caller's audio as it goes on the wire."""

    @abstractmethod
    def _receive(self, message: str | bytes) -> None:
        """A message of the server."""

    @abstractmethod
    def _mark(self, name: str, cleared: bool) -> str:
        """The echo of a mark."""

    @abstractmethod
    async def _leave(self) -> None:
        """Say goodbye on the wire, and close it. ConnectionClosed when it already is."""

    @abstractmethod
    async def _ended(self) -> None:
        """The stream is over: what the carrier does then."""

    def _marked(self, name: str) -> None:
        """The server sent a mark."""
        due = self.ear.mark(name, self.now)
        asyncio.get_running_loop().call_later(max(due - self.now, 0) / 1_000_000, self._return_marks)

    def _return_marks(self) -> None:
        for name in self.ear.passed(self.now):
            self._send(self._mark(name, cleared=False))

    def _cleared(self) -> None:
        """The server cleared the buffer."""
        for name in self.ear.clear(self.now):
            self._send(self._mark(name, cleared=True))

    async def _talk(self) -> None:
        sent = 0
        while True:
            sent += 1
            late = self.now - sent * PTIME_MS * 1_000
            if late < 0:
                await asyncio.sleep(-late / 1_000_000)
                late = self.now - sent * PTIME_MS * 1_000
            self.lateness = max(self.lateness, late)
            self._send(self._audio(self.mouth.frame()))

    async def _write(self) -> None:
        try:
            while True:
                await self._socket.send(await self._outbox.get())
        except ConnectionClosed:
            return

    async def _listen(self) -> None:
        try:
            async for message in self._socket:
                try:
                    self._receive(message)
                except (KeyError, TypeError, ValueError) as error:
                    self.complaints.append(f"{type(error).__name__}: {error}")
        except ConnectionClosed:
            pass  # the line broke: for the caller the call is over all the same
        finally:
            self.ended_at = self.now
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()
            try:
                await self._ended()
            finally:
                self._over.set()


def resample(pcm: Pcm, rate: int, to: int) -> Pcm:
    """A whole clip at another rate, by its spectrum (exact for band-limited audio; not for streams)."""
    if rate == to or not len(pcm):
        return pcm
    n = len(pcm) * to // rate
    spectrum = np.fft.rfft(pcm.astype(np.float64))
    audio = np.fft.irfft(spectrum[: n // 2 + 1], n) * (n / len(pcm))
    return np.clip(np.round(audio), -32_768, 32_767).astype(np.int16)
