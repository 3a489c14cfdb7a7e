"""Twilio's door: POST /twilio/voice (webhook), GET /twilio/media (socket), POST /twilio/status, POST /twilio/after.

GET /ws is the media socket too, where test drivers that speak Twilio's frames look for it (ServiceNow's EVA).
"""

import re
from collections.abc import Mapping

import structlog
from aiohttp import web
from structlog.contextvars import bound_contextvars

from server import auth
from server.carriers import twilio
from server.house import House
from server.placed import AGENT, OUTBOUND
from server.routes.door import After, Door, Passed
from server.wire.twilio import TwilioWire

log = structlog.get_logger()

_STREAM_EVENTS = {"stream-started", "stream-stopped", "stream-error"}


class TwilioRoutes:
    """With a token configured every request must be signed; with none only callers on loopback are taken."""

    def __init__(self, house: House) -> None:
        self._house, self._door = house, Door(house)
        settings = house.config.twilio
        self._token = settings.auth_token.get_secret_value() if settings.auth_token else ""
        self._keys = {name: key.get_secret_value() for name, key in settings.webhook_shared_keys.items()}
        self._rest = twilio.rest_of(settings)
        self._after = After(twilio.hang_up())  # TwiML

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/twilio/voice", self.voice),
            web.get("/twilio/media", self.media),
            web.post("/twilio/status", self.status),
            web.post("/twilio/after", self.after),
            web.get("/ws", self.media),
        ]

    @property
    def _signing(self) -> bool:
        return bool(self._token or self._keys)

    def _refusal(self, request: web.Request, form: Mapping[str, str], *, websocket: bool = False) -> str:
        """Why the request may not come in, or nothing."""
        if self._signing:
            url = self._door.url(request, websocket=websocket)
            signed = auth.twilio_signed(url, form, request.headers, auth_token=self._token, shared_keys=self._keys)
            return "" if signed else "twilio_signature"
        return "" if self._door.on_loopback(request) else "not_loopback"

    async def voice(self, request: web.Request) -> web.Response:
        """A call comes in: connect it to our media socket."""
        form = await self._door.form(request)
        if cause := self._refusal(request, form):
            return self._door.refuse(cause)
        call_sid = form.get("CallSid", "")
        if not call_sid:
            return web.Response(status=400, text="CallSid is missing\n")
        if not self._door.has_room():
            return _twiml(twilio.reject())
        # Of a call that we placed, the one whom we called is the caller to the agent.
        outbound = {key: request.query[key] for key in (OUTBOUND, AGENT) if request.query.get(OUTBOUND)}
        caller, called = ("To", "From") if outbound else ("From", "To")
        parameters = {
            "token": self._house.tokens.mint(call_sid),
            "caller": form.get(caller, ""),
            "called": form.get(called, ""),
            **outbound,
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
        if cause := self._refusal(request, {}, websocket=True):
            return self._door.refuse(cause)
        response, socket = await self._door.open(request)
        wire = TwilioWire(Passed(self._house, "twilio"))
        try:
            started = await self._door.first(wire, socket)
            if started is not None and self._door.admits(wire.stream, required=self._signing):
                control = twilio.TwilioControl(self._rest, started.call_id, self._after.keep)
                with bound_contextvars(call_id=started.call_id):
                    placed = self._house.placed.take(wire.stream.parameters)
                    await self._house.take_call("twilio", wire, socket, control, started, placed)
        finally:
            await response.close()
        return response

    async def status(self, request: web.Request) -> web.Response:
        """Stream status callback: started, stopped, error."""
        form = await self._door.form(request)
        if cause := self._refusal(request, form):
            return self._door.refuse(cause)
        event = form.get("StreamEvent", "")
        if event == "stream-error":
            self._house.metrics.facts.labels("stream_error").inc()
            # Twilio's error codes have five digits; the sentences around them may quote anything.
            codes = re.findall(r"\b[1-9][0-9]{4}\b", form.get("StreamError", ""))
            log.warning("stream_error", call_id=form.get("CallSid", "")[:64], codes=codes)
        elif event not in _STREAM_EVENTS:
            self._house.metrics.wire_ignored.labels("twilio", "unknown_event").inc()
        return web.Response(status=204)

    async def after(self, request: web.Request) -> web.Response:
        """The stream is over: transfer the call if that was asked for, else end it."""
        form = await self._door.form(request)
        if cause := self._refusal(request, form):
            return self._door.refuse(cause)
        return _twiml(self._after.take(form.get("CallSid", "")))


def _twiml(text: str) -> web.Response:
    return web.Response(text=text, content_type="text/xml")
