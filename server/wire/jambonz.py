"""jambonz: the audio socket of its `listen` verb, sans-IO.

Source: jambonz/freeswitch-modules mod_audio_fork/lws_glue.cpp. Call control is in `server.wire.jambonz_control`.

What is done with a message that is not as it should be: as in `server.wire.twilio`, with these differences: binary is
what media comes in; a second metadata frame is noted "second_start"; there are no streams to mix up.
"""

import msgspec

from pipelines import events as ev
from pipelines.errors import WireError
from pipelines.frames import AudioFormat, Encoding
from server.wire import DIGITS, MESSAGE_LIMIT, RATES, Capabilities, Identifier, Stream
from server.wire.faults import Faults, Note, unnoted

AUDIO_PROTOCOL = "audio.jambonz.org"
MAX_MARKS = 30  # MAX_MARKS in lws_glue.cpp: the 31st is thrown away with a log line only


class _Metadata(msgspec.Struct):
    """What is read of the first frame. It says the rate it was asked for, and has our `metadata` merged in."""

    callSid: Identifier
    sampleRate: int = 8_000
    mixType: str = "mono"


class JambonzAudioWire:
    """One `listen` verb's socket: text frames of JSON, binary frames of L16, little-endian, one channel.

    A mark beyond the thirtieth outstanding is not sent, and noted "mark_withheld": a later one says the same and more.
    `stream` is set once the metadata has come.
    """

    capabilities = Capabilities(marks=True, clear=True, dtmf=True, outstanding_marks=MAX_MARKS)

    def __init__(self, outbound_rate: int, note: Note = unnoted) -> None:
        """`outbound_rate`: Hz of what we send, as our `listen` verb asked for it in `bidirectionalAudio`."""
        self.stream: Stream | None = None
        self._outbound_rate = outbound_rate
        self._faults = Faults(note)
        self._odd = b""  # the first half of a sample, until the second comes
        self._outstanding: dict[str, None] = {}  # oldest first

    # ---- in

    def receive(self, message: str | bytes) -> list[ev.Event]:
        """Events in a websocket message. Raises WireError when the stream cannot go on; its text has nothing of the
        message."""
        if len(message) > MESSAGE_LIMIT:
            raise WireError(f"a message is longer than {MESSAGE_LIMIT} bytes")
        if isinstance(message, bytes):
            return self._media(message)
        try:
            frame = msgspec.json.decode(message)
        except (ValueError, RecursionError):  # ValueError: broken JSON, half a surrogate pair
            return self._faults.fault("malformed")
        if not isinstance(frame, dict):
            return self._faults.fault("malformed")
        kind = frame.get("type") or frame.get("event")
        if kind is None:
            return self._started(frame)
        if self.stream is None:
            return self._faults.ignore("before_start")
        if kind == "mark":
            return self._returned(frame.get("data"))
        if kind == "dtmf":
            digit = frame.get("dtmf")
            known = isinstance(digit, str) and digit in DIGITS
            return [ev.DigitReceived(digit)] if known else self._faults.fault("malformed")
        return [] if kind == "playDone" else self._faults.ignore("unknown_event")

    def _started(self, frame: dict[str, object]) -> list[ev.Event]:
        if self.stream is not None:
            return self._faults.ignore("second_start")
        try:
            metadata = msgspec.convert(frame, _Metadata, strict=False)
        except ValueError:
            return self._faults.fault("malformed")
        if metadata.sampleRate not in RATES or metadata.mixType != "mono":
            raise WireError("the audio is not one channel at 8, 16, 24 or 48 kHz")
        told = {key: value for key, value in frame.items() if isinstance(value, str)}
        self.stream = Stream(metadata.callSid, told)
        inbound = AudioFormat(Encoding.L16, metadata.sampleRate)
        outbound = AudioFormat(Encoding.L16, self._outbound_rate)
        caller, called = told.get("from", ""), told.get("to", "")
        return [ev.CallStarted(metadata.callSid, "jambonz", inbound, outbound, caller, called)]

    def _media(self, payload: bytes) -> list[ev.Event]:
        if self.stream is None:
            return self._faults.ignore("before_start")
        if self._odd:
            payload = self._odd + payload
        even = len(payload) & ~1
        self._odd = payload[even:]
        return [ev.MediaReceived(payload[:even])] if even else []

    def _returned(self, data: object) -> list[ev.Event]:
        name = data.get("name") if isinstance(data, dict) else None
        if not isinstance(name, str):
            return self._faults.fault("malformed")
        if name in self._outstanding:
            # Marks come back in order: an older one that is still out was lost, and must not use up one of the thirty.
            while next(iter(self._outstanding)) != name:
                del self._outstanding[next(iter(self._outstanding))]
            del self._outstanding[name]
        return [ev.MarkReturned(name, cleared=data.get("event") == "cleared")]

    # ---- out

    def media(self, payload: bytes) -> list[str | bytes]:
        """`payload`: audio in the outbound format."""
        return [payload]

    def mark(self, name: str) -> list[str | bytes]:
        """Nothing when thirty are outstanding."""
        if len(self._outstanding) >= MAX_MARKS:
            self._faults.ignore("mark_withheld")
            return []
        self._outstanding[name] = None
        return [f'{{"type":"mark","data":{{"name":{msgspec.json.encode(name).decode()}}}}}']

    def clear(self) -> list[str | bytes]:
        """Pending marks come back as "cleared", or (older servers) not at all: none of them counts as outstanding."""
        self._outstanding.clear()
        return ['{"type":"killAudio"}']

    def disconnect(self) -> list[str | bytes]:
        """End the `listen` verb; what follows it in the application runs."""
        return ['{"type":"disconnect"}']
