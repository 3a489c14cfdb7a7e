"""jambonz: the audio socket of the `listen` verb, and the messages of the call-control socket.

Sources: jambonz/freeswitch-modules mod_audio_fork/lws_glue.cpp (audio), jambonz/jambonz-feature-server lib/utils/ws-requestor.js and
lib/session/call-session.js (control), jambonz/schema verbs/listen.schema.json.

What is done with a message on the audio socket that is not as it should be: as in `server.wire.twilio`; media before the metadata
is "before_start", a second metadata frame is an unknown event.
"""

from collections import Counter
from typing import Any

import msgspec

from pipelines import events as ev
from pipelines.errors import WireError
from pipelines.frames import AudioFormat, Encoding
from server.wire import Capabilities, Stream

AUDIO_PROTOCOL = "audio.jambonz.org"
CONTROL_PROTOCOL = "ws.jambonz.org"
MAX_MARKS = 30  # MAX_MARKS in lws_glue.cpp: the 31st is thrown away with a log line only
_MESSAGE_LIMIT = 256 * 1024
_FAULT_LIMIT = 20
_RATES = (8_000, 16_000, 24_000, 48_000)
_DIGITS = frozenset("0123456789*#ABCD")


class JambonzAudioWire:
    """One `listen` verb's socket: text frames of JSON, binary frames of L16, little-endian, one channel.

    A mark beyond the thirtieth outstanding is not sent, and counted "mark_withheld": a later one says the same and more.
    """

    capabilities = Capabilities(marks=True, clear=True, dtmf=True, outstanding_marks=MAX_MARKS)

    def __init__(self, outbound_rate: int) -> None:
        """`outbound_rate`: Hz of what we send, as our `listen` verb asked for it in `bidirectionalAudio`."""
        self.stream: Stream | None = None
        self.ignored: Counter[str] = Counter()
        self._outbound_rate = outbound_rate
        self._faults = 0
        self._odd = b""
        self._outstanding: set[str] = set()

    # ---- in

    def receive(self, message: str | bytes) -> list[ev.Event]:
        """Events in a websocket message. Raises WireError when the stream cannot go on; its text has nothing of the message."""
        if len(message) > _MESSAGE_LIMIT:
            raise WireError("a message is longer than 256 kB")
        if isinstance(message, bytes):
            return self._media(message)
        try:
            frame = msgspec.json.decode(message)
        except (msgspec.MsgspecError, UnicodeError):
            return self._fault("malformed")
        if not isinstance(frame, dict):
            return self._fault("malformed")
        if self.stream is None:
            return self._started(frame)
        if frame.get("type") == "mark":
            return self._mark(frame.get("data"))
        if frame.get("event") == "dtmf":
            digit = frame.get("dtmf")
            return [ev.DigitReceived(digit)] if isinstance(digit, str) and digit in _DIGITS else self._fault("malformed")
        return [] if frame.get("type") == "playDone" else self._ignore("unknown_event")

    def _started(self, frame: dict[str, Any]) -> list[ev.Event]:
        call_id, rate = frame.get("callSid"), frame.get("sampleRate", 8_000)
        if not isinstance(call_id, str) or not call_id:
            return self._fault("malformed")
        if rate not in _RATES or frame.get("mixType", "mono") != "mono":
            raise WireError("the audio is not one channel at 8, 16, 24 or 48 kHz")
        told = {key: value for key, value in frame.items() if isinstance(value, str)}
        self.stream = Stream(call_id, told)
        inbound, outbound = AudioFormat(Encoding.L16, rate), AudioFormat(Encoding.L16, self._outbound_rate)
        return [ev.CallStarted(call_id, "jambonz", inbound, outbound, told.get("from", ""), told.get("to", ""))]

    def _media(self, payload: bytes) -> list[ev.Event]:
        if self.stream is None:
            return self._ignore("before_start")
        if self._odd:
            payload = self._odd + payload
        even = len(payload) & ~1
        self._odd = payload[even:]
        return [ev.MediaReceived(payload[:even])] if even else []

    def _mark(self, data: object) -> list[ev.Event]:
        if not isinstance(data, dict) or not isinstance(data.get("name"), str):
            return self._fault("malformed")
        self._outstanding.discard(data["name"])
        return [ev.MarkReturned(data["name"], cleared=data.get("event") == "cleared")]

    def _ignore(self, cause: str) -> list[ev.Event]:
        self.ignored[cause] += 1
        return []

    def _fault(self, cause: str) -> list[ev.Event]:
        self._faults += 1
        if self._faults >= _FAULT_LIMIT:
            raise WireError(f"too many broken messages; the last was {cause}")
        return self._ignore(cause)

    # ---- out

    def media(self, payload: bytes) -> list[str | bytes]:
        return [payload]

    def mark(self, name: str) -> list[str | bytes]:
        if len(self._outstanding) >= MAX_MARKS:
            self.ignored["mark_withheld"] += 1
            return []
        self._outstanding.add(name)
        return [f'{{"type":"mark","data":{{"name":"{name}"}}}}']

    def clear(self) -> list[str | bytes]:
        """Pending marks come back as "cleared", or (older servers) not at all."""
        self._outstanding.clear()
        return ['{"type":"killAudio"}']

    def disconnect(self) -> list[str | bytes]:
        """End the `listen` verb; what follows it in the application runs."""
        return ['{"type":"disconnect"}']


# ---- verbs


def listen_verbs(url: str, rate: int, metadata: dict[str, str], *, action_hook: str, user: str = "", password: str = "") -> list[dict[str, Any]]:
    """Connect the call to our audio socket, both ways at `rate` Hz; when that ends `action_hook` is asked what is next."""
    listen: dict[str, Any] = {
        "verb": "listen",
        "url": url,
        "sampleRate": rate,
        "mixType": "mono",
        "passDtmf": True,
        "bidirectionalAudio": {"enabled": True, "streaming": True, "sampleRate": rate},
        "metadata": metadata,
        "actionHook": action_hook,
    }
    if user:
        listen["wsAuth"] = {"username": user, "password": password}
    return [{"verb": "answer"}, listen, {"verb": "hangup"}]


def dial_verbs(number: str) -> list[dict[str, Any]]:
    """Hand the call to a number or SIP address."""
    target = {"type": "sip", "sipUri": number} if number.startswith("sip") else {"type": "phone", "number": number}
    return [{"verb": "dial", "target": [target]}]


HANG_UP_VERBS: list[dict[str, Any]] = [{"verb": "hangup"}]


# ---- call control


class Control(msgspec.Struct, frozen=True):
    """A message of the control socket. `data` is empty where the message has none."""

    type: str
    msgid: str = ""
    call_sid: str = ""
    hook: str = ""
    data: dict[str, Any] = {}


_control = msgspec.json.Decoder(Control).decode


def read_control(message: str | bytes) -> Control:
    """Raises WireError for what is no control message."""
    if isinstance(message, bytes) or len(message) > _MESSAGE_LIMIT:
        raise WireError("the control socket takes short text messages")
    try:
        return _control(message)
    except (msgspec.MsgspecError, UnicodeError):
        raise WireError("a control message is malformed") from None


def ack(msgid: str, verbs: list[dict[str, Any]] | None = None) -> str:
    """The answer to session:new, session:redirect, session:reconnect, verb:hook and dial:confirm."""
    reply: dict[str, Any] = {"type": "ack", "msgid": msgid}
    if verbs is not None:
        reply["data"] = verbs
    return msgspec.json.encode(reply).decode()


def command(name: str, call_sid: str, data: object) -> str:
    """A command to jambonz. A redirect stops what runs now: queueCommand is false."""
    return msgspec.json.encode(
        {"type": "command", "command": name, "queueCommand": False, "call_sid": call_sid, "data": data}
    ).decode()
