"""Twilio Media Streams, bidirectional (https://www.twilio.com/docs/voice/media-streams/websocket-messages).

What is done with a message that is not as it should be:

    message                                             done
    --------------------------------------------------  ------------------------------------------------------
    event that is not known                             ignored, noted "unknown_event"
    field that is not known                             ignored
    JSON broken, base64 broken, a field lacking         ignored, noted "malformed"; WireError at the 20th
    binary                                              ignored, noted "binary"; counts towards the same 20
    media, mark, dtmf or stop before start              ignored, noted "before_start"
    a second start                                      ignored, noted "second_start"
    another stream's streamSid                          ignored, noted "unknown_stream"
    media of the outbound track                         ignored, noted "other_track"
    longer than `MESSAGE_LIMIT`                         WireError
    start with a format that is not spoken here         WireError

Test drivers speak a dialect of it: ServiceNow's EVA (src/eva/user_simulator/audio_bridge.py) sends no streamSid at all
and a start with a `conversation_id` only. That is a stream named "", of a call of that name, in mu-law at 8 kHz.
"""

import binascii
from typing import Annotated

import msgspec

from pipelines import events as ev
from pipelines.errors import WireError
from pipelines.frames import AudioFormat, Encoding
from server.wire import DIGITS, MESSAGE_LIMIT, RATES, Capabilities, Identifier, Stream
from server.wire.faults import Faults, Note, unnoted

_ENCODINGS = {
    "audio/x-mulaw": Encoding.MULAW,
    "audio/x-alaw": Encoding.ALAW,
    "audio/l16": Encoding.L16,
    "audio/x-l16": Encoding.L16,
}
_MARKS_KEPT = 256  # names remembered for a peer that never returns its marks
_LATEST_MS = 30 * 86_400_000  # far beyond the longest call, and far below where arithmetic on it would hurt


class _MediaFormat(msgspec.Struct):
    encoding: str = "audio/x-mulaw"
    sampleRate: int = 8_000
    channels: int = 1


class _Start(msgspec.Struct):
    callSid: Identifier | None = None
    streamSid: Identifier | None = None
    mediaFormat: _MediaFormat = msgspec.field(default_factory=_MediaFormat)
    customParameters: dict[str, str] = {}


class _Media(msgspec.Struct):
    payload: str
    timestamp: Annotated[int, msgspec.Meta(ge=0, le=_LATEST_MS)] | None = None
    track: str = "inbound"


class _Mark(msgspec.Struct):
    name: str


class _Dtmf(msgspec.Struct):
    digit: str


class _Message(msgspec.Struct):
    event: str
    streamSid: str = ""
    media: _Media | None = None
    mark: _Mark | None = None
    dtmf: _Dtmf | None = None
    start: _Start | None = None
    conversation_id: Identifier | None = None


class _Named(msgspec.Struct):
    event: str


# Twilio writes its numbers as strings: strict=False reads both.
_decode = msgspec.json.Decoder(_Message, strict=False).decode
_decode_name = msgspec.json.Decoder(_Named).decode
_KNOWN = frozenset(("connected", "start", "media", "mark", "dtmf", "stop"))


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


class TwilioWire:
    """One media stream. `stream` is set once its start has come."""

    capabilities = Capabilities(marks=True, clear=True, dtmf=True)

    def __init__(self, note: Note = unnoted) -> None:
        self.stream: Stream | None = None
        self._faults = Faults(note)
        self._outstanding: dict[str, None] = {}  # marks sent and not returned, oldest first
        self._cleared: dict[str, None] = {}  # those that were outstanding when we cleared
        self._name_stream("")

    def _name_stream(self, stream_id: str) -> None:
        self._sid = _quoted(stream_id)
        self._media_prefix = f'{{"event":"media","streamSid":{self._sid},"media":{{"payload":"'

    # ---- in

    def receive(self, message: str | bytes) -> list[ev.Event]:
        """Events in a websocket message. Raises WireError when the stream cannot go on; its text has nothing of the
        message."""
        if isinstance(message, bytes):
            return self._faults.fault("binary")
        if len(message) > MESSAGE_LIMIT:
            raise WireError(f"a message is longer than {MESSAGE_LIMIT} characters")
        try:
            frame = _decode(message)
        except (ValueError, RecursionError):  # ValueError: broken JSON, a wrong type, half a surrogate pair
            return self._undecodable(message)
        event = frame.event
        if event == "start":
            return self._started(frame)
        if event not in _KNOWN:
            return self._faults.ignore("unknown_event")
        if event == "connected":
            return []
        if self.stream is None:
            return self._faults.ignore("before_start")
        if frame.streamSid != self.stream.stream_id:
            return self._faults.ignore("unknown_stream")
        if event == "media" and frame.media is not None:
            return self._media(frame.media)
        if event == "mark" and frame.mark is not None:
            return self._returned(frame.mark.name)
        if event == "dtmf" and frame.dtmf is not None and frame.dtmf.digit in DIGITS:
            return [ev.DigitReceived(frame.dtmf.digit)]
        return [ev.CallEnded("caller")] if event == "stop" else self._faults.fault("malformed")

    def _undecodable(self, message: str) -> list[ev.Event]:
        """Not one of our messages: broken, or of an unknown event that gives our fields another type."""
        try:
            known = _decode_name(message).event in _KNOWN
        except (ValueError, RecursionError):
            known = True
        return self._faults.fault("malformed") if known else self._faults.ignore("unknown_event")

    def _media(self, media: _Media) -> list[ev.Event]:
        if media.track != "inbound":
            return self._faults.ignore("other_track")
        try:
            payload = binascii.a2b_base64(media.payload, strict_mode=True)
        except ValueError:
            return self._faults.fault("malformed")
        return [ev.MediaReceived(payload, media.timestamp)]

    def _started(self, frame: _Message) -> list[ev.Event]:
        if self.stream is not None:
            return self._faults.ignore("second_start")
        start = frame.start or _Start()
        call_id = start.callSid or frame.conversation_id
        if call_id is None or len(frame.streamSid) > 128:
            return self._faults.fault("malformed")
        media, parameters = start.mediaFormat, start.customParameters
        encoding = _ENCODINGS.get(media.encoding)
        if encoding is None or media.sampleRate not in RATES or media.channels != 1:
            raise WireError("the media is not mu-law, A-law or L16 at 8, 16, 24 or 48 kHz in one channel")
        self.stream = Stream(call_id, parameters, frame.streamSid or start.streamSid or "")
        self._name_stream(self.stream.stream_id)
        audio = AudioFormat(encoding, media.sampleRate)
        caller, called = parameters.get("caller", ""), parameters.get("called", "")
        return [ev.CallStarted(call_id, "twilio", audio, audio, caller, called)]

    def _returned(self, name: str) -> list[ev.Event]:
        self._outstanding.pop(name, None)
        cleared = name in self._cleared
        self._cleared.pop(name, None)
        return [ev.MarkReturned(name, cleared=cleared)]

    # ---- out

    def media(self, payload: bytes) -> list[str | bytes]:
        """`payload`: audio in the outbound format, in multiples of 20 ms (odd sizes crackle)."""
        return [f'{self._media_prefix}{binascii.b2a_base64(payload, newline=False).decode("ascii")}"}}}}']

    def mark(self, name: str) -> list[str | bytes]:
        """`name` is new: a name that was cleared must not be used again."""
        _keep(self._outstanding, name)
        return [f'{{"event":"mark","streamSid":{self._sid},"mark":{{"name":{_quoted(name)}}}}}']

    def clear(self) -> list[str | bytes]:
        """Twilio then returns all pending marks at once: those were not heard. One that was played, and is on its way
        to us as we clear, looks the same and counts as cleared too: we would rather know less than too much."""
        for name in self._outstanding:
            _keep(self._cleared, name)
        self._outstanding.clear()
        return [f'{{"event":"clear","streamSid":{self._sid}}}']


def _keep(names: dict[str, None], name: str) -> None:
    names[name] = None
    if len(names) > _MARKS_KEPT:
        del names[next(iter(names))]
