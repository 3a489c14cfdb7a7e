"""Twilio as the server meets it: the voice webhook, TwiML, the media websocket, its buffer, marks and clears.

https://www.twilio.com/docs/voice/media-streams/websocket-messages, https://www.twilio.com/docs/voice/twiml/stream
"""

import base64
import secrets
import time
import xml.etree.ElementTree as ET
from urllib.parse import urljoin

import aiohttp
import msgspec
from twilio.request_validator import RequestValidator
from websockets.asyncio.client import ClientConnection, connect

from pipelines.audio.g711 import decode, encode
from pipelines.frames import Encoding
from server.caller.ear import Ear, Pcm
from server.caller.line import PTIME_MS, CallRefused, Line
from server.caller.mouth import Mouth, line_noise

_TIMEOUT = aiohttp.ClientTimeout(total=20)
RATE = 8_000
_ACCOUNT = "AC" + "0" * 32


class Stream(msgspec.Struct, frozen=True):
    """What the server's TwiML asked for."""

    url: str
    parameters: dict[str, str]
    callback: str = ""
    action: str = ""


def parse_twiml(text: str, base: str = "") -> Stream:
    """The `<Connect><Stream>` of a TwiML document served from `base`. Raises `CallRefused` when there is none: the call
    was rejected or sent elsewhere."""
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise CallRefused(f"the voice webhook did not answer with TwiML: {error}") from error
    stream = root.find("./Connect/Stream")
    if stream is None or not stream.get("url"):
        raise CallRefused(
            f"the server did not connect the call: TwiML has {[verb.tag for verb in root]}, no <Connect><Stream>"
        )
    parameters = {p.get("name", ""): p.get("value", "") for p in stream.findall("Parameter")}
    action = root.find("./Connect").get("action", "")
    callback = stream.get("statusCallback", "")
    return Stream(
        stream.get("url", ""), parameters, callback and urljoin(base, callback), action and urljoin(base, action)
    )


class TwilioLine(Line):
    """A call through Twilio Media Streams: mu-law, 8 kHz, 20 ms. Open one with `dial`."""

    def __init__(
        self,
        socket: ClientConnection,
        http: aiohttp.ClientSession,
        stream: Stream,
        token: str,
        call_sid: str,
        mouth: Mouth,
    ) -> None:
        super().__init__(socket, call_sid, Ear(RATE), mouth)
        self.stream_sid = "MZ" + secrets.token_hex(16)
        self.verbs_after: list[tuple[str, str]] = []
        """What the `action` webhook wanted done once the stream was over: TwiML verbs with their text."""
        self._http, self._stream, self._token = http, stream, token
        self._sequence = 0
        self._frames = 0

    @classmethod
    async def dial(
        cls, webhook: str, *, caller: str, called: str, token: str = "", noise_snr: float | None = None
    ) -> "TwilioLine":
        """Call the server: POST `webhook`, then open the stream it names. `token`: the account's auth token, to sign
        with; `noise_snr`: line noise that many dB under the caller's speech.

        Raises `CallRefused` when the server does not take the call, OSError or aiohttp.ClientError when it cannot be
        reached.
        """
        call_sid = "CA" + secrets.token_hex(16)
        form = {
            "AccountSid": _ACCOUNT,
            "ApiVersion": "2010-04-01",
            "CallSid": call_sid,
            "CallStatus": "ringing",
            "Called": called,
            "Caller": caller,
            "Direction": "inbound",
            "From": caller,
            "To": called,
        }
        http = aiohttp.ClientSession(timeout=_TIMEOUT)
        try:
            async with http.post(webhook, data=form, headers=_signed(token, webhook, form)) as response:
                text = await response.text()
                if response.status != 200:
                    raise CallRefused(f"the voice webhook answered {response.status}")
            stream = parse_twiml(text, webhook)
            socket = await connect(
                stream.url,
                additional_headers=_signed(token, stream.url, {}),
                compression=None,
                max_size=None,
                proxy=None,
            )
        except BaseException:
            await http.close()
            raise
        noise = None if noise_snr is None else line_noise(RATE, noise_snr)
        line = cls(socket, http, stream, token, call_sid, Mouth(RATE, PTIME_MS, noise))
        await line._start()
        return line

    def press(self, digit: str) -> None:
        self._tell("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def _start(self) -> None:
        await self._socket.send(_json({"event": "connected", "protocol": "Call", "version": "1.0.0"}))
        self._open()
        self._tell(
            "start",
            start={
                "accountSid": _ACCOUNT,
                "streamSid": self.stream_sid,
                "callSid": self.call_id,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": RATE, "channels": 1},
                "customParameters": self._stream.parameters,
            },
        )
        await self._call_back("stream-started")

    def _tell(self, event: str, **fields: object) -> None:
        self._send(self._frame(event, **fields))

    def _frame(self, event: str, **fields: object) -> str:
        self._sequence += 1
        return _json({"event": event, "sequenceNumber": str(self._sequence), "streamSid": self.stream_sid, **fields})

    def _audio(self, pcm: Pcm) -> str:
        self._frames += 1
        return self._frame(
            "media",
            media={
                "track": "inbound",
                "chunk": str(self._frames),
                "timestamp": str((self._frames - 1) * PTIME_MS),
                "payload": base64.b64encode(encode(pcm, Encoding.MULAW)).decode(),
            },
        )

    def _mark(self, name: str, cleared: bool) -> str:
        return self._frame("mark", mark={"name": name})

    def _receive(self, message: str | bytes) -> None:
        frame = msgspec.json.decode(message)
        if frame["streamSid"] != self.stream_sid:
            raise ValueError("a frame for another stream")
        match frame["event"]:
            case "media":
                self.ear.receive(decode(base64.b64decode(frame["media"]["payload"]), Encoding.MULAW), self.now)
            case "mark":
                self._marked(frame["mark"]["name"])
            case "clear":
                self._cleared()
            case other:
                raise ValueError(f"Twilio takes no {other!r} from a server")

    async def _leave(self) -> None:
        await self._socket.send(self._frame("stop", stop={"accountSid": _ACCOUNT, "callSid": self.call_id}))
        await self._socket.close()

    async def _ended(self) -> None:
        try:
            await self._call_back("stream-stopped")
            if not self.left and self._stream.action:
                text = await self._post(self._stream.action, {"CallStatus": "in-progress"})
                self.verbs_after = (
                    [(verb.tag, "".join(verb.itertext())) for verb in ET.fromstring(text)] if text else []
                )
        except ET.ParseError as error:
            self.complaints.append(f"the action webhook did not answer with TwiML: {error}")
        finally:
            await self._http.close()

    async def _call_back(self, event: str) -> None:
        """The stream's status callback, if the TwiML asked for one."""
        if self._stream.callback:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            await self._post(
                self._stream.callback, {"StreamSid": self.stream_sid, "StreamEvent": event, "Timestamp": at}
            )

    async def _post(self, url: str, fields: dict[str, str]) -> str:
        """The answer of one of the server's webhooks, "" when it has gone: as at Twilio, that does not undo the
        call."""
        form = {"AccountSid": _ACCOUNT, "CallSid": self.call_id, **fields}
        try:
            async with self._http.post(url, data=form, headers=_signed(self._token, url, form)) as response:
                return await response.text() if response.status == 200 else ""
        except (aiohttp.ClientError, TimeoutError):
            return ""


def _signed(token: str, url: str, form: dict[str, str]) -> dict[str, str]:
    """https://www.twilio.com/docs/usage/security#validating-requests"""
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form)} if token else {}


def _json(frame: dict[str, object]) -> str:
    return msgspec.json.encode(frame).decode()
