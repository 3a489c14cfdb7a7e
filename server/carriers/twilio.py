"""Twilio's call control: TwiML for the webhook, and the REST API through the twilio library.

https://www.twilio.com/docs/voice/twiml/stream, https://www.twilio.com/docs/voice/api/call-resource
"""

import asyncio
import logging
from collections.abc import Callable

from twilio.base.exceptions import TwilioException, TwilioRestException, TwilioServiceException
from twilio.http import HttpClient
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client
from twilio.twiml.voice_response import Connect, Dial, VoiceResponse

from server.carriers import CarrierError, plain_target
from server.config import TwilioSettings

_GONE = {20404, 21220}  # no such call (any more); it is not in progress
_TIMEOUT_S = 3.0  # to connect, and again to answer: a session waits ten seconds for all of it
_TRIES = 2  # of a request that Twilio answered with a fault of its own
_PARAMETER_LIMIT = 500  # characters of a parameter's name and value together

# At INFO the library logs every request; ours have callers' numbers in them.
_quiet = logging.getLogger(f"{__name__}.http")
_quiet.setLevel(logging.WARNING)


def connect_stream(url: str, parameters: dict[str, str], *, status_callback: str, action: str) -> str:
    """TwiML that connects the call to our media socket. `parameters` come back in the stream's start; empty ones are
    left out, and what is beyond Twilio's 500 characters is cut. `action` is asked what to do with the call once the
    stream is over."""
    response = VoiceResponse()
    connect = Connect(action=action)
    stream = connect.stream(url=url, status_callback=status_callback, status_callback_method="POST")
    for name, value in parameters.items():
        printable = "".join(c for c in value if c.isprintable())  # XML has no way to write most control characters
        if printable:
            stream.parameter(name=name, value=printable[: _PARAMETER_LIMIT - len(name)])
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


class TwilioRest:
    """The REST API of one account. Without credentials `usable` is False, and the TwiML that follows the stream does
    the work."""

    def __init__(
        self,
        account_sid: str = "",
        user: str = "",
        secret: str = "",
        edge: str | None = None,
        region: str | None = None,
        *,
        http: HttpClient | None = None,
    ) -> None:
        """`user`, `secret`: API key and its secret, or the account SID and the auth token. `http`: what sends requests,
        by default requests with a timeout and one more try for a connection that fails."""
        self.usable = bool(account_sid and user and secret)
        if self.usable:
            http = http or TwilioHttpClient(timeout=_TIMEOUT_S, max_retries=1, logger=_quiet)
            self._client = Client(user, secret, account_sid, region=region, edge=edge, http_client=http)

    async def update(self, call_sid: str, **what: str) -> None:
        """Change a live call (`status="completed"`, `twiml=...`). A call that is gone already is no error. Raises
        CarrierError."""
        for left in reversed(range(_TRIES)):
            try:
                await asyncio.to_thread(self._client.calls(call_sid).update, **what)
            except (TwilioRestException, TwilioServiceException) as error:
                if error.code in _GONE:
                    return
                if (error.status < 500 and error.status != 429) or not left:
                    raise CarrierError(
                        f"Twilio refused to change the call: HTTP {error.status}, code {error.code}"
                    ) from None
            except (TwilioException, OSError, ValueError) as error:  # ValueError: an answer that is no JSON
                raise CarrierError(f"Twilio could not be reached: {type(error).__name__}") from None
            else:
                return

    async def create(self, to: str, from_: str, url: str) -> str:
        """Place a call; `url`, a webhook, is asked for TwiML once it is answered. Its SID. Raises CarrierError. Never tried again: the first
        may have been placed."""
        try:
            call = await asyncio.to_thread(self._client.calls.create, to=to, from_=from_, url=url, method="POST")
        except (TwilioRestException, TwilioServiceException) as error:
            raise CarrierError(f"Twilio refused to place the call: HTTP {error.status}, code {error.code}") from None
        except (TwilioException, OSError, ValueError) as error:  # ValueError: an answer that is no JSON
            raise CarrierError(f"Twilio could not be reached: {type(error).__name__}") from None
        if not call.sid:
            raise CarrierError("Twilio did not say which call it placed")
        return call.sid


def rest_of(settings: TwilioSettings) -> TwilioRest:
    """The REST API as it is configured."""
    token = settings.api_secret or settings.auth_token
    secret = token.get_secret_value() if token else ""
    user = settings.api_key or settings.account_sid
    return TwilioRest(settings.account_sid, user, secret, settings.edge, settings.region)


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
        """Without REST the call goes there once its stream is over, which our closing the socket brings about."""
        twiml = dial(plain_target(number))
        if self._rest.usable:
            await self._rest.update(self._call_sid, twiml=twiml)
        else:
            self._after(self._call_sid, twiml)

    async def send_digits(self, digits: str) -> None:
        """Media Streams carry no DTMF outwards, and TwiML that plays digits would end the stream."""
        raise CarrierError("Twilio cannot press keys while a media stream is connected")
