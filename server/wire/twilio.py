"""Twilio Media Streams, bidirectional (https://www.twilio.com/docs/voice/media-streams/websocket-messages).

What is done with a message that is not as it should be:

    message                                             done
    --------------------------------------------------  ------------------------------------------------------
    event or field that is not known                    ignored, counted "unknown_event"
    JSON broken, base64 broken, a field lacking         ignored, counted "malformed"; WireError at the 20th
    media or mark before start                          ignored, counted "before_start"
    a second start                                      ignored, counted "second_start"
    another stream's streamSid                          ignored, counted "unknown_stream"
    binary                                              ignored, counted "binary"; WireError at the 20th
    longer than 256 kB                                  WireError
    start with an encoding that is not spoken here      WireError
"""

import binascii
from collections import Counter

import msgspec

from pipelines import events as ev
from pipelines.errors import WireError
from pipelines.frames import AudioFormat, Encoding
from server.wire import Capabilities, Stream

MESSAGE_LIMIT = 256 * 1024
_FAULT_LIMIT = 20
_ENCODINGS = {"audio/x-mulaw": Encoding.MULAW, "audio/x-alaw": Encoding.ALAW, "audio/l16": Encoding.L16, "audio/x-l16": Encoding.L16}
_RATES = (8_000, 16_000, 24_000, 48_000)
_DIGITS = frozenset("0123456789*#ABCD")


class _MediaFormat(msgspec.Struct):
    encoding: str = "audio/x-mulaw"
    sampleRate: int = 8_000


class _Start(msgspec.Struct):
    callSid: str
    accountSid: str = ""
    mediaFormat: _MediaFormat = msgspec.field(default_factory=_MediaFormat)
    customParameters: dict[str, str] = {}


class _Media(msgspec.Struct):
    payload: str
    timestamp: int | None = None
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


# Twilio writes its numbers as strings: strict=False reads both.
_decode = msgspec.json.Decoder(_Message, strict=False).decode


class TwilioWire:
    """One media stream. `stream` is set once its start has come; `ignored` counts what was passed over, by fixed causes."""

    capabilities = Capabilities(marks=True, clear=True, dtmf=True)

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.ignored: Counter[str] = Counter()
        self._faults = 0
        self._prefix = ""
        self._outstanding: set[str] = set()
        self._cleared: set[str] = set()

    # ---- in

    def receive(self, message: str | bytes) -> list[ev.Event]:
        """Events in a websocket message. Raises WireError when the stream cannot go on; its text has nothing of the message."""
        if isinstance(message, bytes):
            return self._fault("binary")
        if len(message) > MESSAGE_LIMIT:
            raise WireError("a message is longer than 256 kB")
        try:
            frame = _decode(message)
        except (msgspec.MsgspecError, UnicodeError):
            return self._fault("malformed")
        event = frame.event
        if event == "start":
            return self._started(frame)
        if self.stream is None:
            return self._ignore("unknown_event" if event not in ("connected", "media", "mark", "dtmf", "stop") else "before_start") if (
                event != "connected"
            ) else []
        if event == "connected":
            return []
        if frame.streamSid != self.stream.stream_id:
            return self._ignore("unknown_stream")
        if event == "media":
            return self._media(frame.media)
        if event == "mark" and frame.mark is not None:
            return [self._returned(frame.mark.name)]
        if event == "dtmf" and frame.dtmf is not None:
            return [ev.DigitReceived(frame.dtmf.digit)] if frame.dtmf.digit in _DIGITS else self._fault("malformed")
        if event == "stop":
            return [ev.CallEnded("caller")]
        return self._fault("malformed") if event in ("mark", "dtmf") else self._ignore("unknown_event")

    def _media(self, media: _Media | None) -> list[ev.Event]:
        if media is None:
            return self._fault("malformed")
        if media.track != "inbound":
            return self._ignore("other_track")
        try:
            payload = binascii.a2b_base64(media.payload, strict_mode=True)
        except (binascii.Error, ValueError):
            return self._fault("malformed")
        return [ev.MediaReceived(payload, media.timestamp)]

    def _started(self, frame: _Message) -> list[ev.Event]:
        start = frame.start
        if self.stream is not None:
            return self._ignore("second_start")
        if start is None or not frame.streamSid or not start.callSid:
            return self._fault("malformed")
        encoding, rate = _ENCODINGS.get(start.mediaFormat.encoding), start.mediaFormat.sampleRate
        if encoding is None or rate not in _RATES:
            raise WireError("the stream's media format is not one of mu-law, A-law or L16 at 8, 16, 24 or 48 kHz")
        self.stream = Stream(start.callSid, start.customParameters, frame.streamSid, start.accountSid)
        sid = msgspec.json.encode(frame.streamSid).decode()
        self._prefix = f'{{"event":"media","streamSid":{sid},"media":{{"payload":"'
        self._sid = sid
        audio = AudioFormat(encoding, rate)
        parameters = start.customParameters
        return [
            ev.CallStarted(start.callSid, "twilio", audio, audio, parameters.get("caller", ""), parameters.get("called", ""))
        ]

    def _returned(self, name: str) -> ev.MarkReturned:
        if name in self._cleared:
            self._cleared.discard(name)
            return ev.MarkReturned(name, cleared=True)
        self._outstanding.discard(name)
        return ev.MarkReturned(name)

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
        return [f'{self._prefix}{binascii.b2a_base64(payload, newline=False).decode("ascii")}"}}}}']

    def mark(self, name: str) -> list[str | bytes]:
        self._outstanding.add(name)
        return [f'{{"event":"mark","streamSid":{self._sid},"mark":{{"name":"{name}"}}}}']

    def clear(self) -> list[str | bytes]:
        """Twilio returns all pending marks at once after a clear: those are not heard."""
        self._cleared |= self._outstanding
        self._outstanding.clear()
        return [f'{{"event":"clear","streamSid":{self._sid}}}']
