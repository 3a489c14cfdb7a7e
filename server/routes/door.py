"""What every carrier's door has in common: where a request really came from, and how it asked to be answered."""

import asyncio
from collections import OrderedDict
from typing import Generic, TypeVar
from urllib.parse import parse_qsl, urlsplit

import structlog
from aiohttp import web
from multidict import MultiDict

from pipelines import events as ev
from pipelines.errors import WireError
from server import auth
from server.house import House
from server.http import AiohttpSocket
from server.session import Wire
from server.wire import MESSAGE_LIMIT, Stream

log = structlog.get_logger()

START_TIMEOUT_S = 10.0
_PING_S = 20.0
_CLOSE_TIMEOUT_S = 2.0
_FIELDS_LIMIT = 200
_AFTER_LIMIT = 1_000
_SCHEMES = {"ws": "http", "wss": "https", "http": "http", "https": "https"}

T = TypeVar("T")


class After(Generic[T]):
    """What to do with calls once their audio is over, by call; the oldest are forgotten beyond a thousand."""

    def __init__(self, default: T) -> None:
        self._default = default
        self._kept: OrderedDict[str, T] = OrderedDict()

    def keep(self, call_id: str, what: T) -> None:
        self._kept[call_id] = what
        if len(self._kept) > _AFTER_LIMIT:
            self._kept.popitem(last=False)

    def take(self, call_id: str) -> T:
        return self._kept.pop(call_id, self._default)


class Passed:
    """A `server.wire.faults.Note`: counts what a socket's wire passes over, and logs each cause once."""

    def __init__(self, house: House, carrier: str) -> None:
        self._counter, self._carrier = house.metrics.wire_ignored, carrier
        self._logged: set[str] = set()

    def __call__(self, cause: str) -> None:
        self._counter.labels(self._carrier, cause).inc()
        if cause not in self._logged:
            self._logged.add(cause)
            log.warning("wire_ignored", carrier=self._carrier, cause=cause)


class Door:
    """One server's way of looking at requests."""

    def __init__(self, house: House) -> None:
        self.house = house
        self._proxies = house.config.server.trusted_proxies
        self._public = house.config.server.public_url

    # ---- refusing

    def count_refusal(self, cause: str) -> None:
        """Every refusal is counted and logged, by a fixed cause."""
        self.house.metrics.refused.labels(cause).inc()
        log.warning("refused", cause=cause)

    def refuse(self, cause: str) -> web.Response:
        """403."""
        self.count_refusal(cause)
        return web.Response(status=403, text="forbidden\n")

    def has_room(self) -> bool:
        """Whether a call can be taken now; counted where not."""
        if self.house.ready and not self.house.full:
            return True
        self.count_refusal("full" if self.house.ready else "not_ready")
        return False

    # ---- looking at a request

    def on_loopback(self, request: web.Request) -> bool:
        return auth.is_loopback(request.remote, request.headers)

    def url(self, request: web.Request, path: str = "", *, websocket: bool = False) -> str:
        """The address of `path` (default: the request's own) as the carrier sees it: `public_url`, or what a trusted
        proxy says, or what the request itself was sent to."""
        if self._public:
            base = self._public
        else:
            scheme, host = request.scheme, request.host
            if self._trusted(request.remote):
                scheme = _first(request.headers.get("X-Forwarded-Proto", "")).lower() or scheme
                host = _first(request.headers.get("X-Forwarded-Host", "")) or host
            # Some proxies (Traefik) call a websocket's scheme ws or wss.
            base = f"{_SCHEMES.get(scheme, 'https')}://{host}"
        if websocket:
            base = "ws" + base.removeprefix("http")
        return base + (path or request.path_qs)

    def _trusted(self, peer: str | None) -> bool:
        ip = auth.address(peer)
        return ip is not None and any(ip in network for network in self._proxies)

    def trusts(self, request: web.Request) -> bool:
        """Whether one of our own proxies sent it."""
        return self._trusted(request.remote)

    def hosts(self, request: web.Request) -> set[str]:
        """Names (with ports) under which the request may have reached us, in small letters."""
        names = {request.host, urlsplit(self._public or "").netloc}
        if self.trusts(request):
            names.add(_first(request.headers.get("X-Forwarded-Host", "")))
        return {name.lower() for name in names if name}

    def encrypted(self, request: web.Request) -> bool:
        """Whether whoever asks did so over TLS."""
        told = _first(request.headers.get("X-Forwarded-Proto", "")).lower() if self.trusts(request) else ""
        return request.secure or told == "https"

    def client(self, request: web.Request) -> str:
        """Whom to blame: the address that the first of our proxies was reached from, or the peer's own. Of IPv6 the network, since
        whoever has one address has many."""
        chain = [*",".join(request.headers.getall("X-Forwarded-For", [])).split(","), request.remote or ""]
        peer = chain.pop()
        while chain and self._trusted(peer):
            peer = chain.pop()
        ip = auth.address(peer.strip())
        if ip is None:
            return "unknown"
        return ":".join(ip.exploded.split(":")[:4]) if ip.version == 6 else str(ip)

    async def form(self, request: web.Request) -> MultiDict[str]:
        """The fields of a form; none where the body is no form (then no signature fits it either)."""
        body = await request.read()
        if request.content_type != "application/x-www-form-urlencoded":
            return MultiDict()
        try:
            # blank values are signed too
            return MultiDict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_FIELDS_LIMIT))
        except ValueError:
            return MultiDict()

    # ---- media sockets

    async def open(
        self, request: web.Request, protocols: tuple[str, ...] = ()
    ) -> tuple[web.WebSocketResponse, AiohttpSocket]:
        """Accept the websocket. Longer messages than wires read are cut off before they are in memory."""
        response = web.WebSocketResponse(
            protocols=protocols,
            compress=False,
            max_msg_size=MESSAGE_LIMIT + 1,
            heartbeat=_PING_S,
            timeout=_CLOSE_TIMEOUT_S,
        )
        await response.prepare(request)
        return response, AiohttpSocket(request, response)

    async def first(self, wire: Wire, socket: AiohttpSocket) -> ev.CallStarted | None:
        """Read until the media starts; None, counted, when it does not, in time or at all."""
        cause = "no_start"
        try:
            async with asyncio.timeout(START_TIMEOUT_S):
                async for message in socket:
                    for event in wire.receive(message):
                        if isinstance(event, ev.CallStarted):
                            return event
        except TimeoutError:
            log.warning("no_start", waited_s=START_TIMEOUT_S)
        except WireError as error:
            cause = "wire_error"
            log.warning("wire_error", error=str(error))
        self.count_refusal(cause)
        return None

    def admits(self, stream: Stream, *, required: bool) -> bool:
        """Whether a media stream may become a call: there is room, and it brings back the token its webhook gave out.
        Where none is `required` (unsigned, on loopback), a stream without any token will do, so that a test driver
        needs no webhook; a wrong one never will."""
        token = stream.parameters.get("token", "")
        if (token or required) and not self.house.tokens.spend(token, stream.call_id):
            self.count_refusal("token")
            return False
        return self.has_room()


def _first(header: str) -> str:
    """Of a header that every proxy appended to: what the first wrote."""
    return header.partition(",")[0].strip()
