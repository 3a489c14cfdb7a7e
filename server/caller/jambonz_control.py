"""jambonz' two ways of asking an application what to do with a call: the control websocket and the HTTP webhook.

https://docs.jambonz.org/reference/websocket-api/call-control/overview
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urljoin

import aiohttp
import msgspec
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.headers import build_authorization_basic
from websockets.typing import Subprotocol

from server.caller.line import CallRefused

Verbs = list[dict[str, Any]]

_TIMEOUT_S = 20.0


class Application(Protocol):
    """The server, as jambonz asks it."""

    async def ask(self, kind: str, data: dict[str, Any], hook: str = "") -> Verbs:
        """Tell it ("session:new", or "verb:hook" with the hook's address) and get verbs. Raises `CallRefused` when
        no answer comes."""
        ...

    async def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Tell it what needs no answer ("call:status")."""
        ...

    def obey(self, command: Callable[[dict[str, Any]], None]) -> None:
        """From now on hand over what it orders, unasked."""
        ...

    async def close(self) -> None: ...


class ControlSocket:
    """Call control over a websocket, subprotocol ws.jambonz.org. Open one with `open`."""

    def __init__(self, socket: ClientConnection, call_sid: str) -> None:
        self._socket, self._call_sid = socket, call_sid
        self._asked: dict[str, asyncio.Future[Verbs]] = {}
        self._commands: list[dict[str, Any]] = []
        self._command = self._commands.append  # until somebody obeys
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, call_sid: str, basic: tuple[str, str] | None) -> "ControlSocket":
        """`basic`: user and password, where the server asks for them."""
        headers = {"Authorization": build_authorization_basic(*basic)} if basic else {}
        protocol = Subprotocol("ws.jambonz.org")
        socket = await connect(url, subprotocols=[protocol], additional_headers=headers, compression=None, proxy=None)
        return cls(socket, call_sid)

    async def ask(self, kind: str, data: dict[str, Any], hook: str = "") -> Verbs:
        msgid = secrets.token_hex(8)
        answer: asyncio.Future[Verbs] = asyncio.get_running_loop().create_future()
        self._asked[msgid] = answer
        try:
            await self._send({"type": kind, "msgid": msgid, "data": data} | ({"hook": hook} if hook else {}))
            return await asyncio.wait_for(answer, _TIMEOUT_S)
        except (ConnectionClosed, TimeoutError) as error:
            raise CallRefused(f"the server did not acknowledge {kind}") from error
        finally:
            del self._asked[msgid]

    async def tell(self, kind: str, data: dict[str, Any]) -> None:
        with suppress(ConnectionClosed):
            await self._send({"type": kind, "msgid": secrets.token_hex(8), "data": data})

    def obey(self, command: Callable[[dict[str, Any]], None]) -> None:
        self._command = command
        for one in self._commands:
            command(one)

    async def close(self) -> None:
        await self._socket.close()
        await self._reader

    async def _send(self, message: dict[str, Any]) -> None:
        await self._socket.send(msgspec.json.encode(message | {"call_sid": self._call_sid}).decode())

    async def _read(self) -> None:
        try:
            async for raw in self._socket:
                message = msgspec.json.decode(raw)
                if message.get("type") == "command":
                    self._command(message)
                elif answer := self._asked.get(message.get("msgid")):
                    answer.set_result(message.get("data") or [])
        except ConnectionClosed:
            pass  # the server has gone; whoever still asks is told below
        for answer in self._asked.values():
            if not answer.done():
                answer.set_exception(TimeoutError())


class Webhook:
    """Call control over HTTP: each question is a POST, the answer its body. Nothing comes unasked."""

    def __init__(self, url: str, secret: str = "") -> None:
        """`secret`: signs every request, as `Jambonz-Signature`."""
        self._url, self._secret = url, secret
        self._http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_S))

    async def ask(self, kind: str, data: dict[str, Any], hook: str = "") -> Verbs:
        body = msgspec.json.encode(data)
        headers = {"Content-Type": "application/json"}
        if self._secret:
            at = int(time.time())
            signature = hmac.digest(self._secret.encode(), b"%d.%b" % (at, body), "sha256").hex()
            headers["Jambonz-Signature"] = f"t={at},v1={signature}"
        async with self._http.post(urljoin(self._url, hook), data=body, headers=headers) as response:
            if response.status != 200:
                raise CallRefused(f"the jambonz webhook answered {response.status}")
            return msgspec.json.decode(await response.read() or b"[]")

    async def tell(self, kind: str, data: dict[str, Any]) -> None:
        """Status goes to an address of its own on this wire, which the caller has no need of."""

    def obey(self, command: Callable[[dict[str, Any]], None]) -> None:
        """Nothing comes unasked."""

    async def close(self) -> None:
        await self._http.close()
