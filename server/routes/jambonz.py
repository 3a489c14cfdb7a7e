"""jambonz' door: GET /jambonz (control socket), POST /jambonz/voice (webhook), GET /jambonz/audio (audio socket), POST
/jambonz/status, POST /jambonz/after (the `listen` verb's action hook)."""

import base64
import hmac
import time
from collections import OrderedDict
from typing import Any

import msgspec
import structlog
from aiohttp import web

from pipelines.errors import WireError
from server import auth
from server.carriers.jambonz import JambonzControl
from server.house import House
from server.http import AiohttpSocket
from server.routes.door import Door
from server.wire.jambonz import (
    AUDIO_PROTOCOL,
    CONTROL_PROTOCOL,
    HANG_UP_VERBS,
    Control,
    JambonzAudioWire,
    ack,
    listen_verbs,
    read_control,
)

log = structlog.get_logger()

_AFTER_LIMIT = 1_000
_WANTS_ACK = {"session:redirect", "dial:confirm"}
_BUSY: list[dict[str, Any]] = [{"verb": "sip:decline", "status": 486, "reason": "Busy Here"}]


class JambonzRoutes:
    """Sockets need the configured basic authentication, webhooks the configured signature; with nothing configured only
    callers on loopback are taken."""

    def __init__(self, house: House) -> None:
        self._house, self._door = house, Door(house)
        settings = house.config.jambonz
        self._user = settings.username
        self._password = settings.password.get_secret_value() if settings.password else ""
        self._secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
        self._rate = settings.sample_rate
        self._controls: dict[str, AiohttpSocket] = {}  # call sid -> its control socket now
        self._after: OrderedDict[str, list[dict[str, Any]]] = OrderedDict()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/jambonz", self.control),
            web.get("/jambonz/audio", self.audio),
            web.post("/jambonz/voice", self.voice),
            web.post("/jambonz/status", self.status),
            web.post("/jambonz/after", self.after),
        ]

    # ---- who may come in

    def _socket_refusal(self, request: web.Request) -> str:
        if not self._user:
            return "" if self._door.on_loopback(request) and not self._secret else "not_loopback"
        expected = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        return "" if scheme.lower() == "basic" and hmac.compare_digest(given.encode(), expected.encode()) else "jambonz_password"

    def _webhook_refusal(self, request: web.Request, body: bytes) -> str:
        if not self._secret:
            return "" if self._door.on_loopback(request) and not self._user else "not_loopback"
        header = request.headers.get("Jambonz-Signature", "")
        return "" if auth.jambonz_signed(body, header, self._secret, time.time()) else "jambonz_signature"

    @property
    def _open_door(self) -> bool:
        return not (self._user or self._secret)

    # ---- a new call

    def _verbs(self, request: web.Request, call_sid: str) -> list[dict[str, Any]]:
        house = self._house
        if not house.ready or house.full:
            cause = "full" if house.ready else "not_ready"
            house.metrics.refused.labels(cause).inc()
            log.warning("call_rejected", cause=cause)
            return _BUSY
        return listen_verbs(
            self._door.url(request, "/jambonz/audio", websocket=True),
            self._rate,
            {"token": house.tokens.mint(call_sid)},
            action_hook="/jambonz/after",
            user=self._user,
            password=self._password,
        )

    async def control(self, request: web.Request) -> web.StreamResponse:
        """The call-control socket: one for each call."""
        if cause := self._socket_refusal(request):
            return self._door.refuse(cause)
        response, socket = await self._door.open(request, (CONTROL_PROTOCOL,))
        calls: set[str] = set()
        try:
            async for message in socket:
                control = read_control(message)
                reply = self._controlled(request, control, socket, calls)
                if reply is not None:
                    socket.send(reply)
        except (WireError, ConnectionError) as error:
            log.warning("wire_error", error=str(error))
        finally:
            for call_sid in calls:
                if self._controls.get(call_sid) is socket:
                    del self._controls[call_sid]
            await response.close()
        return response

    def _controlled(self, request: web.Request, control: Control, socket: AiohttpSocket, calls: set[str]) -> str | None:
        if control.type in ("session:new", "session:reconnect"):
            call_sid = control.call_sid or str(control.data.get("call_sid", ""))
            if not call_sid:
                raise WireError("a session without call_sid")
            calls.add(call_sid)
            self._controls[call_sid] = socket
            # A call that is reconnected goes on as it is; only a new one is given something to do.
            return ack(control.msgid, self._verbs(request, call_sid) if control.type == "session:new" else None)
        if control.type == "verb:hook":
            done = control.hook.rstrip("/").endswith("/jambonz/after")
            return ack(control.msgid, self._next(control.call_sid) if done else None)
        if control.type in _WANTS_ACK:
            return ack(control.msgid)
        if control.type == "jambonz:error":
            self._house.metrics.facts.labels("stream_error").inc()
            log.warning("jambonz_error")
        elif control.type not in ("call:status", "verb:status"):
            self._house.metrics.wire_ignored.labels("jambonz", "unknown_event").inc()
        return None

    async def voice(self, request: web.Request) -> web.Response:
        """The same as session:new, over HTTP."""
        body = await request.read()
        if cause := self._webhook_refusal(request, body):
            return self._door.refuse(cause)
        call_sid = _call_sid(body)
        if not call_sid:
            return web.Response(status=400, text="call_sid is missing\n")
        return web.json_response(self._verbs(request, call_sid))

    # ---- its audio

    async def audio(self, request: web.Request) -> web.StreamResponse:
        """The socket of the `listen` verb."""
        if cause := self._socket_refusal(request):
            return self._door.refuse(cause)
        response, socket = await self._door.open(request, (AUDIO_PROTOCOL,))
        wire, house = JambonzAudioWire(self._rate), self._house

        def disconnect() -> None:
            for message in wire.disconnect():
                socket.send(message)

        try:
            started = await self._door.first(wire, socket, lambda: house.metrics.refused.labels("no_start").inc())
            if started is not None and self._door.admits(wire.stream, required=not self._open_door):
                control = JambonzControl(started.call_id, self._controls.get, disconnect, self._keep_for_after)
                await house.take_call("jambonz", wire, socket, control, started)
        finally:
            for cause, count in wire.ignored.items():
                house.metrics.wire_ignored.labels("jambonz", cause).inc(count)
            await response.close()
        return response

    # ---- afterwards

    async def status(self, request: web.Request) -> web.Response:
        """Call status callback; nothing of it is needed."""
        if cause := self._webhook_refusal(request, await request.read()):
            return self._door.refuse(cause)
        return web.Response(status=204)

    async def after(self, request: web.Request) -> web.Response:
        """The audio socket is over: transfer the call if that was asked for, else end it."""
        body = await request.read()
        if cause := self._webhook_refusal(request, body):
            return self._door.refuse(cause)
        return web.json_response(self._next(_call_sid(body)))

    def _next(self, call_sid: str) -> list[dict[str, Any]]:
        return self._after.pop(call_sid, HANG_UP_VERBS)

    def _keep_for_after(self, call_sid: str, verbs: list[dict[str, Any]]) -> None:
        self._after[call_sid] = verbs
        while len(self._after) > _AFTER_LIMIT:
            self._after.popitem(last=False)


class _CallBody(msgspec.Struct):
    call_sid: str = ""


def _call_sid(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_CallBody).call_sid
    except msgspec.MsgspecError:
        return ""
