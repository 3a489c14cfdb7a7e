"""The browser phone: its messages, sans-IO, the same over a websocket and over WebRTC. There is no vendor: `server/phone/static/phone.js`
is the other end.

In: binary L16, 16 kHz, one channel, little-endian, and JSON: `start` (`call_id`, `token`, `agent`), `digit` (`digit`), `mark` (`name`,
`cleared`), `hangup`. Out: the same audio, and JSON: `mark`, `clear`; facts (`server.observe.live`) and refusals are sent beside it.

What is done with a message that is not as it should be: as in `server.wire.twilio`.
"""

import msgspec

from pipelines import events as ev
from pipelines.errors import WireError
from pipelines.frames import AudioFormat, Encoding
from pipelines.units import SAMPLE_RATE
from server.wire import DIGITS, MESSAGE_LIMIT, Capabilities, Identifier, Stream
from server.wire.faults import Faults, Note, unnoted

FORMAT = AudioFormat(Encoding.L16, SAMPLE_RATE)
CLEAR = '{"type":"clear"}'
_MARKS_KEPT = 256


class Start(msgspec.Struct, tag_field="type", tag="start"):
    call_id: Identifier
    token: str = ""
    agent: str = ""


class Digit(msgspec.Struct, tag_field="type", tag="digit"):
    digit: str


class Mark(msgspec.Struct, tag_field="type", tag="mark"):
    name: str
    cleared: bool = False


class HangUp(msgspec.Struct, tag_field="type", tag="hangup"):
    pass


_READ = msgspec.json.Decoder(Start | Digit | Mark | HangUp)


class PhoneWire:
    """One page's call. `stream` is set once it has started."""

    capabilities = Capabilities(marks=True, clear=True, dtmf=True)

    def __init__(self, note: Note = unnoted) -> None:
        self.stream: Stream | None = None
        self._faults = Faults(note)
        self._out: dict[str, None] = {}  # marks that are out, oldest first

    # ---- in

    def receive(self, message: str | bytes) -> list[ev.Event]:
        """Events in a message. Raises WireError when the call cannot go on; its text has nothing of the message."""
        if len(message) > MESSAGE_LIMIT:
            raise WireError(f"a message is longer than {MESSAGE_LIMIT} bytes")
        if isinstance(message, bytes):
            return self._media(message)
        try:
            said = _READ.decode(message)
        except (ValueError, RecursionError):  # ValueError: broken JSON, half a surrogate pair, an unknown type
            return self._faults.fault("malformed")
        if isinstance(said, Start):
            return self._started(said)
        if self.stream is None:
            return self._faults.ignore("before_start")
        if isinstance(said, HangUp):
            return [ev.CallEnded("caller")]
        if isinstance(said, Digit):
            return [ev.DigitReceived(said.digit)] if said.digit in DIGITS else self._faults.fault("malformed")
        if said.name not in self._out:
            return self._faults.ignore("unknown_mark")
        del self._out[said.name]
        return [ev.MarkReturned(said.name, cleared=said.cleared)]

    def _started(self, start: Start) -> list[ev.Event]:
        if self.stream is not None:
            return self._faults.ignore("second_start")
        self.stream = Stream(start.call_id, {"token": start.token, "agent": start.agent})
        return [ev.CallStarted(start.call_id, "phone", FORMAT, FORMAT)]

    def _media(self, payload: bytes) -> list[ev.Event]:
        if self.stream is None:
            return []  # over WebRTC the microphone is there before the data channel
        if len(payload) % FORMAT.bytes_per_sample:
            return self._faults.fault("malformed")
        return [ev.MediaReceived(payload)] if payload else []

    # ---- out

    def media(self, payload: bytes) -> list[str | bytes]:
        """`payload`: audio in `FORMAT`."""
        return [payload]

    def mark(self, name: str) -> list[str | bytes]:
        self._out[name] = None
        if len(self._out) > _MARKS_KEPT:  # it does not answer
            del self._out[next(iter(self._out))]
        return [msgspec.json.encode(Mark(name)).decode()]

    def clear(self) -> list[str | bytes]:
        """Marks that are out come back as cleared."""
        return [CLEAR]
