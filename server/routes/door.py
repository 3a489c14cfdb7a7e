"""What every carrier's door has in common: where a request really came from, and how it asked to be answered."""

import asyncio
import ipaddress
from collections.abc import Callable

import structlog
from aiohttp import web

from pipelines import events as ev
from pipelines.errors import WireError
from server import auth
from server.house import House
from server.http import AiohttpSocket
from server.session import Wire
from server.wire import Stream

log = structlog.get_logger()

START_TIMEOUT_S = 10.0
MESSAGE_LIMIT = 1 << 20  # the websocket closes with 1009 above it
_PING_S = 20.0


class Door:
    """One server's way of looking at requests."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._proxies = house.config.server.trusted_proxies
        self._public = house.config.server.public_url

    def refuse(self, cause: str) -> web.Response:
        """403, counted and logged by its cause."""
        self.house.metrics.refused.labels(cause).inc()
        log.warning("refused", cause=cause)
        return web.Response(status=403, text="forbidden\n")

    def on_loopback(self, request: web.Request) -> bool:
        return auth.is_loopback(request.remote, request.headers)

    def url(self, request: web.Request, path: str = "", *, websocket: bool = False) -> str:
        """The address of `path` (default: the request's own) as the carrier sees it: `public_url`, or what a trusted proxy
        says, or what the request itself was sent to."""
        path = path or request.path_qs
        if self._public:
            base = self._public
        else:
            scheme, host = request.scheme, request.host
            if self._trusted(request.remote):
                scheme = request.headers.get("X-Forwarded-Proto", scheme).split(",")[0].strip()
                host = request.headers.get("X-Forwarded-Host", host).split(",")[0].strip()
            base = f"{scheme}://{host}"
        if websocket:
            base = base.replace("http", "ws", 1)
        return base + path

    def _trusted(self, peer: str | None) -> bool:
        try:
            address = ipaddress.ip_address(peer or "")
        except ValueError:
            return False
        return any(address in network for network in self._proxies)

    async def open(self, request: web.Request, protocols: tuple[str, ...] = ()) -> tuple[web.WebSocketResponse, AiohttpSocket]:
        """Accept the websocket."""
        response = web.WebSocketResponse(protocols=protocols, compress=False, max_msg_size=MESSAGE_LIMIT, heartbeat=_PING_S)
        await response.prepare(request)
        return response, AiohttpSocket(request, response)

    async def first(self, wire: Wire, socket: AiohttpSocket, count: Callable[[], None]) -> ev.CallStarted | None:
        """Read until the media starts; None when it does not, in time or at all."""
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                async for message in socket:
                    for event in wire.receive(message):
                        if isinstance(event, ev.CallStarted):
                            return event
        except TimeoutError:
            log.warning("no_start", what="a media socket was opened and nothing started on it")
        except WireError as error:
            log.warning("wire_error", error=str(error))
        count()
        return None

    def admits(self, stream: Stream, *, required: bool) -> bool:
        """Whether a media stream brings back the token its webhook gave out. Where none is `required` (unsigned, on loopback), a
        stream without any token will do, so that a test driver needs no webhook; a wrong one never will."""
        token = stream.parameters.get("token", "")
        cause = ""
        if (token or required) and not self.house.tokens.spend(token, stream.call_id):
            cause = "token"
        elif not self.house.ready or self.house.full:
            cause = "full" if self.house.ready else "not_ready"
        if cause:
            self.house.metrics.refused.labels(cause).inc()
            log.warning("refused", cause=cause)
        return not cause
