"""Twilio's door: POST /twilio/voice (webhook), GET /twilio/media (socket), POST /twilio/status, POST /twilio/after."""

from collections import OrderedDict

import structlog
from aiohttp import web

from server import auth
from server.carriers import twilio
from server.house import House
from server.routes.door import Door
from server.wire.twilio import TwilioWire

log = structlog.get_logger()

_STREAM_EVENTS = {"stream-started", "stream-stopped", "stream-error"}
_AFTER_LIMIT = 1_000


class TwilioRoutes:
    """With a token configured every request must be signed; with none only callers on loopback are taken."""

    def __init__(self, house: House) -> None:
        self._house, self._door = house, Door(house)
        settings = house.config.twilio
        self._token = settings.auth_token.get_secret_value() if settings.auth_token else ""
        self._keys = {name: key.get_secret_value() for name, key in settings.webhook_shared_keys.items()}
        secret = settings.api_secret.get_secret_value() if settings.api_secret else self._token
        self._rest = twilio.TwilioRest(
            settings.account_sid, settings.api_key or settings.account_sid, secret, settings.edge, settings.region
        )
        self._after: OrderedDict[str, str] = OrderedDict()  # call sid -> TwiML for when its stream is over

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/twilio/voice", self.voice),
            web.get("/twilio/media", self.media),
            web.post("/twilio/status", self.status),
            web.post("/twilio/after", self.after),
        ]

    @property
    def _signing(self) -> bool:
        return bool(self._token or self._keys)

    def _allowed(self, request: web.Request, form: object, *, websocket: bool = False) -> str:
        """"" if the request may come in, else why not."""
        if self._signing:
            url = self._door.url(request, websocket=websocket)
            signed = auth.twilio_signed(url, form, request.headers, auth_token=self._token, shared_keys=self._keys)
            return "" if signed else "twilio_signature"
        return "" if self._door.on_loopback(request) else "not_loopback"

    async def voice(self, request: web.Request) -> web.Response:
        """A call comes in: connect it to our media socket."""
        form = await request.post()
        if cause := self._allowed(request, form):
            return self._door.refuse(cause)
        house = self._house
        if not house.ready or house.full:
            house.metrics.refused.labels("full" if house.ready else "not_ready").inc()
            log.warning("call_rejected", cause="full" if house.ready else "not_ready")
            return _twiml(twilio.reject())
        call_sid = str(form.get("CallSid", ""))
        if not call_sid:
            return web.Response(status=400, text="CallSid is missing\n")
        parameters = {
            "token": house.tokens.mint(call_sid),
            "caller": str(form.get("From", "")),
            "called": str(form.get("To", "")),
        }
        door = self._door
        return _twiml(
            twilio.connect_stream(
                door.url(request, "/twilio/media", websocket=True),
                parameters,
                status_callback=door.url(request, "/twilio/status"),
                action=door.url(request, "/twilio/after"),
            )
        )

    async def media(self, request: web.Request) -> web.StreamResponse:
        """The call's audio."""
        if cause := self._allowed(request, {}, websocket=True):
            return self._door.refuse(cause)
        response, socket = await self._door.open(request)
        wire, house = TwilioWire(), self._house
        try:
            started = await self._door.first(wire, socket, lambda: house.metrics.refused.labels("no_start").inc())
            if started is not None and self._door.admits(wire.stream, required=self._signing):
                control = twilio.TwilioControl(self._rest, started.call_id, self._keep_for_after)
                await house.take_call("twilio", wire, socket, control, started)
        finally:
            for cause, count in wire.ignored.items():
                house.metrics.wire_ignored.labels("twilio", cause).inc(count)
            await response.close()
        return response

    async def status(self, request: web.Request) -> web.Response:
        """Stream status callback: started, stopped, error."""
        form = await request.post()
        if cause := self._allowed(request, form):
            return self._door.refuse(cause)
        event = str(form.get("StreamEvent", ""))
        if event not in _STREAM_EVENTS:
            return web.Response(status=400, text="StreamEvent is not known\n")
        if event == "stream-error":
            self._house.metrics.facts.labels("stream_error").inc()
            log.warning("stream_error", call_id=str(form.get("CallSid", ""))[:64])
        return web.Response(status=204)

    async def after(self, request: web.Request) -> web.Response:
        """The stream is over: transfer the call if that was asked for, else end it."""
        form = await request.post()
        if cause := self._allowed(request, form):
            return self._door.refuse(cause)
        return _twiml(self._after.pop(str(form.get("CallSid", "")), "") or twilio.hang_up())

    def _keep_for_after(self, call_sid: str, twiml: str) -> None:
        self._after[call_sid] = twiml
        while len(self._after) > _AFTER_LIMIT:
            self._after.popitem(last=False)


def _twiml(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/xml")
