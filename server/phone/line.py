"""A browser's end of a call as a session sees it (`server.session.Socket`), whatever way its messages take.

Closing a line ends the reading and nothing else: what is still to be told, the last words among it, is told before `hang_up`.
"""

import asyncio
from abc import ABC, abstractmethod

from pipelines.errors import WireError
from server.http import AiohttpSocket

_UNREAD_LIMIT = 250
"""Messages that wait to be read: five seconds of frames."""


class Line(ABC):
    """Messages in, in order, and at last the end."""

    close_code: int | None = None

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[str | bytes | WireError | None] = asyncio.Queue(_UNREAD_LIMIT)
        self._over = False

    def __aiter__(self) -> "Line":
        return self

    async def __anext__(self) -> str | bytes:
        message = None if self._over else await self._inbox.get()
        if message is None:
            self._over = True
            raise StopAsyncIteration
        if isinstance(message, WireError):
            raise message
        return message

    def put(self, message: str | bytes | WireError | None) -> None:
        """A message has come, or with None the end. When nobody reads, the oldest is forgotten."""
        if self._inbox.full():
            self._inbox.get_nowait()
        self._inbox.put_nowait(message)

    @abstractmethod
    def send(self, message: str | bytes) -> None:
        """Audio as bytes, all else as text. Never waits; raises ConnectionError when the page is gone, or does not read."""

    async def close(self) -> None:
        """Read no more."""
        while not self._inbox.empty():
            self._inbox.get_nowait()
        self._inbox.put_nowait(None)

    @abstractmethod
    async def hang_up(self) -> None:
        """Let go of the page."""


class SocketLine(Line):
    """Everything over one websocket: the way where WebRTC finds none."""

    def __init__(self, socket: AiohttpSocket) -> None:
        super().__init__()
        self._socket = socket
        self._reading = asyncio.create_task(self._read(), name="phone-socket")

    async def _read(self) -> None:
        try:
            async for message in self._socket:
                await self._inbox.put(message)  # who sends faster than we read waits
        except WireError as error:
            self.put(error)
        self.put(None)

    def send(self, message: str | bytes) -> None:
        self._socket.send(message)

    async def hang_up(self) -> None:
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        await self._socket.close()
