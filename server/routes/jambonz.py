"""jambonz' door: GET /jambonz (control socket), POST /jambonz/voice (webhook), GET /jambonz/audio (audio socket), POST
/jambonz/status, POST /jambonz/after (the `listen` verb's action hook)."""

import time
from collections.abc import Mapping

import msgspec
import structlog
from aiohttp import web
from msgspec import structs
from structlog.contextvars import bound_contextvars

from pipelines.errors import WireError
from server import auth
from server.carriers.jambonz import JambonzControl
from server.house import House
from server.http import AiohttpSocket
from server.placed import AGENT, OUTBOUND
from server.routes.door import After, Door, Passed
from server.wire.faults import Faults
from server.wire.jambonz import AUDIO_PROTOCOL, JambonzAudioWire
from server.wire.jambonz_control import (
    BUSY_VERBS,
    CONTROL_PROTOCOL,
    HANG_UP_VERBS,
    Control,
    Verbs,
    ack,
    listen_verbs,
    read_control,
    tag_of,
)

log = structlog.get_logger()

_AFTER_PATH = "/jambonz/after"
_WANTS_ACK = {"session:redirect", "dial:confirm"}
_NO_ANSWER = {"call:status", "verb:status"}


class JambonzRoutes:
    """Control sockets need the configured basic authentication, webhooks the configured signature, audio sockets the
    authentication (where there is one) and the token. With nothing configured only callers on loopback are taken."""

    def __init__(self, house: House) -> None:
        self._house, self._door = house, Door(house)
        settings = house.config.jambonz
        self._user = settings.username
        self._password = settings.password.get_secret_value() if settings.password else ""
        self._secret = settings.webhook_secret.get_secret_value() if settings.webhook_secret else ""
        self._rate = settings.sample_rate
        self._controls: dict[str, AiohttpSocket] = {}  # call sid -> its control socket now
        self._on_air: set[str] = set()  # call sids whose audio socket has come
        self._after = After(HANG_UP_VERBS)

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/jambonz", self.control),
            web.get("/jambonz/audio", self.audio),
            web.post("/jambonz/voice", self.voice),
            web.post("/jambonz/status", self.status),
            web.post(_AFTER_PATH, self.after),
        ]

    # ---- who may come in: why a request may not, or nothing

    @property
    def _configured(self) -> bool:
        return bool(self._user or self._secret)

    def _control_refusal(self, request: web.Request) -> str:
        if not self._configured:
            return "" if self._door.on_loopback(request) else "not_loopback"
        header = request.headers.get("Authorization", "")
        known = self._user and auth.basic_authorized(header, self._user, self._password)
        return "" if known else "jambonz_password"

    def _audio_refusal(self, request: web.Request) -> str:
        # Where only webhooks are signed, the token that one of them gave out is what opens the audio socket.
        return "" if self._secret and not self._user else self._control_refusal(request)

    def _webhook_refusal(self, request: web.Request, body: bytes) -> str:
        if not self._configured:
            return "" if self._door.on_loopback(request) else "not_loopback"
        header = request.headers.get("Jambonz-Signature", "")
        signed = self._secret and auth.jambonz_signed(body, header, self._secret, time.time())
        return "" if signed else "jambonz_signature"

    # ---- a new call

    def _verbs(self, request: web.Request, call_sid: str, tag: Mapping[str, str]) -> Verbs:
        if not self._door.has_room():
            return BUSY_VERBS
        return listen_verbs(
            self._door.url(request, "/jambonz/audio", websocket=True),
            self._rate,
            {"token": self._house.tokens.mint(call_sid)} | {key: tag[key] for key in (OUTBOUND, AGENT) if key in tag},
            action_hook=_AFTER_PATH,
            user=self._user,
            password=self._password,
        )

    async def control(self, request: web.Request) -> web.StreamResponse:
        """The call-control socket: one for each call."""
        if cause := self._control_refusal(request):
            return self._door.refuse(cause)
        response, socket = await self._door.open(request, (CONTROL_PROTOCOL,))
        faults = Faults(Passed(self._house, "jambonz"))
        calls: set[str] = set()
        try:
            async for message in socket:
                try:
                    control = read_control(message)
                except WireError:
                    faults.fault("malformed")
                    continue
                reply = self._controlled(request, control, socket, calls, faults)
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

    def _controlled(
        self, request: web.Request, control: Control, socket: AiohttpSocket, calls: set[str], faults: Faults
    ) -> str | None:
        """What to answer."""
        kind, call_sid = control.type, control.call_sid
        if kind in ("session:new", "session:reconnect"):
            if not call_sid:
                faults.fault("malformed")
                return None
            calls.add(call_sid)
            self._controls[call_sid] = socket
            # A call that is reconnected goes on as it is, unless its first socket broke before our verbs were read:
            # then jambonz (ws-requestor.js, reconnectingWithoutAck) takes the answer to this message for the answer to
            # session:new.
            going_on = kind == "session:reconnect" and call_sid in self._on_air
            return ack(control.msgid, None if going_on else self._verbs(request, call_sid, control.tag))
        if kind == "verb:hook":
            ours = control.hook.endswith(_AFTER_PATH)
            return ack(control.msgid, self._after.take(call_sid) if ours else None)
        if kind in _WANTS_ACK:
            return ack(control.msgid)
        if kind == "jambonz:error":
            self._house.metrics.facts.labels("stream_error").inc()
            log.warning("jambonz_error", call_id=call_sid)
        elif kind not in _NO_ANSWER:
            faults.ignore("unknown_event")
        return None

    async def voice(self, request: web.Request) -> web.Response:
        """The same as session:new, over HTTP."""
        body = await request.read()
        if cause := self._webhook_refusal(request, body):
            return self._door.refuse(cause)
        call_sid = _call_sid(body)
        if not call_sid:
            return web.Response(status=400, text="call_sid is missing\n")
        return web.json_response(self._verbs(request, call_sid, tag_of(msgspec.json.decode(body))))

    # ---- its audio

    async def audio(self, request: web.Request) -> web.StreamResponse:
        """The socket of the `listen` verb."""
        if cause := self._audio_refusal(request):
            return self._door.refuse(cause)
        response, socket = await self._door.open(request, (AUDIO_PROTOCOL,))
        wire = JambonzAudioWire(self._rate, Passed(self._house, "jambonz"))

        def disconnect() -> None:
            for message in wire.disconnect():
                socket.send(message)

        try:
            started = await self._door.first(wire, socket)
            if started is not None and self._door.admits(wire.stream, required=self._configured):
                control = JambonzControl(started.call_id, self._controls.get, disconnect, self._after.keep)
                self._on_air.add(started.call_id)
                try:
                    with bound_contextvars(call_id=started.call_id):
                        placed = self._house.placed.take(wire.stream.parameters)
                        if placed is not None:  # whom we called is the caller to the agent
                            started = structs.replace(started, caller=started.called, called=started.caller)
                        await self._house.take_call("jambonz", wire, socket, control, started, placed)
                finally:
                    self._on_air.discard(started.call_id)
        finally:
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
        return web.json_response(self._after.take(_call_sid(body)))


class _CallBody(msgspec.Struct):
    call_sid: str = ""


def _call_sid(body: bytes) -> str:
    try:
        return msgspec.json.decode(body, type=_CallBody).call_sid[:128]
    except (ValueError, RecursionError):
        return ""
