"""The browser's door: GET /phone (the page), POST /phone/sign-in, POST /phone/ticket, POST /phone/offer (WebRTC), GET /phone/socket
(its fallback).

A call begins when the page says so with a ticket, over the data channel or the websocket: only then do both ways stand.
"""

import asyncio
import secrets
from contextlib import suppress

import msgspec
import structlog
from aiohttp import web
from structlog.contextvars import bound_contextvars

from pipelines.errors import WireError
from server.carriers.phone import PhoneControl
from server.console.gate import SIGN_IN
from server.console.gate import Gate as Operators
from server.house import House
from server.observe.live import Live, Watching
from server.phone import page
from server.phone.gate import Gate
from server.phone.line import Line, SocketLine
from server.phone.peer import Peer
from server.routes.door import Door, Passed
from server.wire.phone import PhoneWire

log = structlog.get_logger()

_PEERS_LIMIT = 16
"""Browsers that were answered and have not begun to call. Each costs sockets, for ten seconds at most."""
_TELL_S = 1.0


class _Offer(msgspec.Struct):
    sdp: str


class PhoneRoutes:
    """With `server.api_token` configured people sign in; with none only this machine is let in, and who has signed in at the console (`operators`)."""

    def __init__(self, house: House, operators: Operators | None = None) -> None:
        self._house, self._door = house, Door(house)
        self._has_operators = operators is not None and operators.has_form
        self._gate = Gate(house.config.server, self._door, operators)
        self._settings = house.config.phone
        self._peers: set[asyncio.Task[None]] = set()
        self._waiting = 0  # of the peers, those that have not begun to call

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/phone", self.page),
            web.get("/phone/static/{name}", self.static),
            web.post("/phone/sign-in", self.sign_in),
            web.post("/phone/ticket", self.ticket),
            web.post("/phone/offer", self.offer),
            web.get("/phone/socket", self.socket),
        ]

    # ---- the page

    async def page(self, request: web.Request) -> web.Response:
        words = page.words_for(request.headers.get("Accept-Language", ""))
        if cause := self._gate.refusal(request):
            if not self._gate.has_lock:
                if self._has_operators:
                    return web.Response(status=303, headers={"Location": SIGN_IN})
                return self._door.refuse(cause)
            return page.respond(page.sign_in(words, operators=self._has_operators), status=401)
        return page.respond(page.phone(words, self._house.config.agents))

    async def static(self, request: web.Request) -> web.Response:
        """Nothing secret: the sign-in page needs it too."""
        return page.static(request.match_info["name"])

    async def sign_in(self, request: web.Request) -> web.Response:
        words = page.words_for(request.headers.get("Accept-Language", ""))
        form = await self._door.form(request)
        response = web.Response(status=303, headers={"Location": "/phone"})
        if cause := self._gate.sign_in(request, form.get("token", ""), response):
            self._door.count_refusal(cause)
            status = 429 if cause == "pace" else 401
            return page.respond(page.sign_in(words, wrong=True, operators=self._has_operators), status=status)
        return response

    # ---- a call is prepared

    async def ticket(self, request: web.Request) -> web.Response:
        """What one call needs: its id, its token, and by which servers WebRTC finds the way."""
        if cause := self._gate.acting_refusal(request):
            return self._door.refuse(cause)
        if not self._door.has_room():
            return web.json_response({"error": "full"}, status=503)
        call_id = f"phone-{secrets.token_hex(8)}"
        settings = self._settings
        ice = {"urls": settings.ice_servers}
        if settings.ice_credential is not None:
            ice |= {"username": settings.ice_username, "credential": settings.ice_credential.get_secret_value()}
        token = self._house.tokens.mint(call_id)
        return web.json_response({"call_id": call_id, "token": token, "ice": [ice] if settings.ice_servers else []})

    async def offer(self, request: web.Request) -> web.Response:
        """A browser's offer of WebRTC: our answer."""
        if cause := self._gate.acting_refusal(request):
            return self._door.refuse(cause)
        try:
            offer = msgspec.json.decode(await request.read(), type=_Offer)
        except (ValueError, RecursionError):
            return self._error("offer", 400)
        if not self._door.has_room():
            return web.json_response({"error": "full"}, status=503)
        if self._waiting >= _PEERS_LIMIT:
            return self._error("offers", 503)
        self._waiting += 1  # before anything awaits
        peer = Peer(self._settings)
        try:
            answer = await peer.answer(offer.sdp)
        except WireError as error:
            self._waiting -= 1
            log.warning("wire_error", error=str(error))
            await peer.hang_up()
            return self._error("offer", 400)
        except BaseException:  # the browser went away while we gathered candidates
            self._waiting -= 1
            await peer.hang_up()
            raise
        task = asyncio.create_task(self._serve(peer), name="phone-peer")
        self._peers.add(task)
        task.add_done_callback(self._peers.discard)
        return web.json_response({"type": "answer", "sdp": answer})

    def _error(self, cause: str, status: int) -> web.Response:
        self._door.count_refusal(cause)
        return web.json_response({"error": cause}, status=status)

    # ---- a call

    async def _serve(self, peer: Peer) -> None:
        def begun() -> None:
            self._waiting -= 1

        try:
            await self._call(peer, begun)
        except Exception:  # a task of its own: nobody else would tell
            log.exception("phone_crashed")
        finally:
            await peer.hang_up()

    async def socket(self, request: web.Request) -> web.StreamResponse:
        """Everything over one websocket, where WebRTC finds no way."""
        if cause := self._gate.acting_refusal(request):
            return self._door.refuse(cause)
        response, socket = await self._door.open(request)
        line = SocketLine(socket)
        try:
            await self._call(line, lambda: None)
        finally:
            await line.hang_up()
        return response

    async def _call(self, line: Line, begun) -> None:
        wire = PhoneWire(Passed(self._house, "phone"))
        try:
            started = await self._door.first(wire, line)
        finally:
            begun()
        if started is None or not self._door.admits(wire.stream, required=True):
            with suppress(ConnectionError):
                line.send('{"type":"refused"}')
            return
        live = Live()
        telling = asyncio.create_task(_tell(line, live.watch()), name="phone-telling")
        try:
            with bound_contextvars(call_id=started.call_id):
                await self._house.take_call(
                    "phone", wire, line, PhoneControl(), started, agent_name=wire.stream.parameters["agent"], live=live
                )
        finally:
            await asyncio.wait({telling}, timeout=_TELL_S)  # its last words
            telling.cancel()

    async def close(self, app: web.Application) -> None:
        """The server stops, its calls are over."""
        for task in self._peers:
            task.cancel()
        await asyncio.gather(*self._peers, return_exceptions=True)


async def _tell(line: Line, watching: Watching) -> None:
    """Tell the page every fact of its call."""
    with suppress(ConnectionError):
        async for fact in watching:
            line.send(msgspec.json.encode(fact).decode())
