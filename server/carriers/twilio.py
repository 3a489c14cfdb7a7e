"""Twilio's call control: TwiML for the webhook, and the REST API through the twilio library.

https://www.twilio.com/docs/voice/twiml/stream, https://www.twilio.com/docs/voice/api/call-resource
"""

import asyncio
import re
from collections.abc import Callable

from twilio.base.exceptions import TwilioException, TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.twiml.voice_response import Connect, Dial, VoiceResponse

from pipelines.errors import AlloError

_GONE = 20404
_TIMEOUT_S = 5.0
_RETRIES = 2
_NUMBER = re.compile(r"^(\+?[0-9]{3,15}|sips?:[^\s<>\"']{3,200})$")


class CarrierError(AlloError):
    """The carrier did not do what was asked."""


def connect_stream(url: str, parameters: dict[str, str], *, status_callback: str, action: str) -> str:
    """TwiML that connects the call to our media socket. `parameters` come back in the stream's start; name and value of each may have 500
    characters together, longer values are cut. `action` is asked what to do with the call once the stream is over."""
    response = VoiceResponse()
    connect = Connect(action=action)
    stream = connect.stream(url=url, status_callback=status_callback, status_callback_method="POST")
    for name, value in parameters.items():
        stream.parameter(name=name, value=value[: 500 - len(name)])
    response.append(connect)
    return str(response)


def reject() -> str:
    """TwiML for a call that we have no room for: the caller hears the busy tone."""
    response = VoiceResponse()
    response.reject(reason="busy")
    return str(response)


def dial(number: str) -> str:
    """TwiML that hands the call to a number or SIP address."""
    response = VoiceResponse()
    if number.startswith("sip"):
        target = Dial()
        target.sip(number)
        response.append(target)
    else:
        response.dial(number)
    return str(response)


def hang_up() -> str:
    """TwiML that ends the call."""
    response = VoiceResponse()
    response.hangup()
    return str(response)


def valid_number(number: str) -> bool:
    """Whether a call may be transferred there: digits with or without +, or a SIP address."""
    return bool(_NUMBER.match(number))


class TwilioRest:
    """The REST API of one account. Without credentials `usable` is False and the TwiML that follows the stream does the work."""

    def __init__(self, account_sid: str = "", user: str = "", secret: str = "", edge: str | None = None, region: str | None = None) -> None:
        """`user`, `secret`: API key and its secret, or the account SID and the auth token."""
        self.usable = bool(account_sid and user and secret)
        if self.usable:
            http = TwilioHttpClient(timeout=_TIMEOUT_S, max_retries=_RETRIES)
            self._client = Client(user, secret, account_sid, region=region, edge=edge, http_client=http)

    async def update(self, call_sid: str, **what: str) -> None:
        """Change a live call (`status="completed"`, `twiml=...`). A call that is gone already is no error. Raises CarrierError."""
        try:
            await asyncio.to_thread(self._client.calls(call_sid).update, **what)
        except TwilioRestException as error:
            if error.code != _GONE:
                raise CarrierError(f"Twilio refused to change the call: HTTP {error.status}, code {error.code}") from None
        except (TwilioException, OSError) as error:
            raise CarrierError(f"Twilio could not be reached: {type(error).__name__}") from None


class TwilioControl:
    """Control of one call (server.session.Control)."""

    def __init__(self, rest: TwilioRest, call_sid: str, after_stream: Callable[[str, str], None]) -> None:
        """`after_stream(call_sid, twiml)`: what the `action` webhook will answer once the stream is over."""
        self._rest, self._call_sid, self._after = rest, call_sid, after_stream

    async def hang_up(self) -> None:
        """Closing the socket ends the stream and, by the TwiML after it, the call; REST ends it at once."""
        if self._rest.usable:
            await self._rest.update(self._call_sid, status="completed")

    async def transfer(self, number: str) -> None:
        if not valid_number(number):
            raise CarrierError("the transfer number is neither a telephone number nor a SIP address")
        twiml = dial(number)
        if self._rest.usable:
            await self._rest.update(self._call_sid, twiml=twiml)
        else:
            self._after(self._call_sid, twiml)

    async def send_digits(self, digits: str) -> None:
        """Media Streams carry no DTMF outwards, and TwiML that plays digits would end the stream."""
        raise CarrierError("Twilio cannot press keys while a media stream is connected")


