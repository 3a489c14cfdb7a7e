"""The call dump: everything a call was told and everything it decided, as a folder of plain files.

    20261121T081319.123-CA0c1d/
        meta.json         Meta: who, when, in which formats, with which settings
        events.jsonl      one JSON object a line, in order: each event, then the actions it led to
        inbound.raw       payloads of MediaReceived, end to end
        outbound.raw      payloads of SendMedia, end to end
        synthesis.raw     audio of SpeechSynthesized, end to end
        transcript.json   list of turns, written when the call is over: a dump that has it is complete

A line is the event or action as msgspec encodes it, tagged by its class name, with the call time (microseconds) in
front: `{"t":1520000,"event":"DigitReceived","digit":"4"}`. Audio is not inlined: in
`{"t":20000,"event":"MediaReceived","size":160}` the size stands for the next 160 bytes of `inbound.raw`. Audio is
flushed before the lines that speak of it, so a process that is killed leaves a dump that ends early, never one that
lies.

Numbers are stored as the carrier gave them: a dump is the operator's own record of the call. The folder is therefore
readable by its owner only (0700, files 0600), and each file may be sealed (`sealed.py`).
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Union, get_args

import msgspec

from pipelines.actions import Action, AnyAction, SendMedia, Turn, TurnTaken
from pipelines.errors import DumpError
from pipelines.events import AnyEvent, Event, MediaReceived, SpeechSynthesized
from pipelines.frames import AudioFormat
from pipelines.replay.sealed import PLAIN, Keys
from pipelines.turns.policy import CallSettings

FORMAT = 1
"""Version of the format. A reader refuses another one."""

META, EVENTS, TRANSCRIPT = "meta.json", "events.jsonl", "transcript.json"
INBOUND, OUTBOUND, SYNTHESIS = "inbound.raw", "outbound.raw", "synthesis.raw"

FOLDER_NAME = re.compile(r"\d{8}T\d{6}\.\d{3}-[A-Za-z0-9._-]+")
"""What a dump's folder is called; nothing else under a dump root is ever touched."""


class Meta(msgspec.Struct, frozen=True):
    """What holds for the whole call. `started` is the wall clock at call time 0, in UTC. `consent`: who says that the caller agreed to be used for training, ""
    when nobody does; `redacted`: what was taken out ("cards"), and stands as zeros, x and silence in events, actions and audio."""

    call_id: str
    carrier: str
    agent: str
    inbound: AudioFormat
    outbound: AudioFormat
    settings: CallSettings
    started: datetime
    caller: str = ""
    called: str = ""
    allo: str = ""
    consent: str = ""
    redacted: tuple[str, ...] = ()
    format: int = FORMAT


class Step(msgspec.Struct, frozen=True):
    """One `Call.receive`: the event with its call time (microseconds), and the actions that came back.

    `line` is the event's line in `events.jsonl`, from 1; 0 when the step was never in a file.
    """

    at: int
    event: Event
    actions: tuple[Action, ...]
    line: int = 0


class Dump(msgspec.Struct, frozen=True):
    """A whole call. `complete` is False when the process died, or recording stopped, before the call was over."""

    meta: Meta
    steps: tuple[Step, ...]
    complete: bool = True

    @property
    def duration_us(self) -> int:
        """Call time of the last step."""
        return self.steps[-1].at if self.steps else 0

    def turns(self) -> list[Turn]:
        """The transcript, from the actions: the same as `transcript.json`, and there when that is not."""
        return [action.turn for _, action in self.actions(TurnTaken)]

    def events(self, *kinds: type[Event]) -> Iterator[tuple[int, Event]]:
        """(call time, event) of the given kinds, in order."""
        return ((step.at, step.event) for step in self.steps if isinstance(step.event, kinds))

    def actions(self, *kinds: type[Action]) -> Iterator[tuple[int, Action]]:
        """(call time, action) of the given kinds, in order."""
        return ((step.at, action) for step in self.steps for action in step.actions if isinstance(action, kinds))


# ---- lines


class _Media(msgspec.Struct, frozen=True, tag_field="event", tag="MediaReceived", omit_defaults=True):
    size: int
    timestamp: int | None = None


class _Synthesis(msgspec.Struct, frozen=True, tag_field="event", tag="SpeechSynthesized", omit_defaults=True):
    reply: int
    chunk: int
    size: int
    last: bool = True


class _Sent(msgspec.Struct, frozen=True, tag_field="action", tag="SendMedia"):
    size: int


class _Head(msgspec.Struct, frozen=True):
    t: int
    event: str = ""
    action: str = ""


def _swapped(union: object, **swaps: type) -> object:
    return Union[tuple(swaps.get(kind.__name__, kind) for kind in get_args(union))]  # noqa: UP007


_encode = msgspec.json.Encoder().encode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_event = msgspec.json.Decoder(_swapped(AnyEvent, MediaReceived=_Media, SpeechSynthesized=_Synthesis)).decode
_decode_action = msgspec.json.Decoder(_swapped(AnyAction, SendMedia=_Sent)).decode


class Pages:
    """What a dump's files have to gain, as bytes. `add` runs on the event loop for every event: a few microseconds."""

    __slots__ = ("inbound", "lines", "outbound", "synthesis")

    def __init__(self) -> None:
        self.lines = bytearray()
        self.inbound = bytearray()
        self.outbound = bytearray()
        self.synthesis = bytearray()

    def add(self, at: int, event: Event, actions: Iterable[Action]) -> None:
        """Append one step."""
        lines = self.lines
        head = b'{"t":%d,' % at
        kind = type(event)
        if kind is MediaReceived:
            self.inbound += event.payload
            event = _Media(len(event.payload), event.timestamp)
        elif kind is SpeechSynthesized:
            self.synthesis += event.audio
            event = _Synthesis(event.reply, event.chunk, len(event.audio), event.last)
        lines += b"%b%b\n" % (head, _encode(event)[1:])  # never an empty object: the tag is always there
        for action in actions:
            if type(action) is SendMedia:
                self.outbound += action.payload
                action = _Sent(len(action.payload))
            lines += b"%b%b\n" % (head, _encode(action)[1:])

    def __len__(self) -> int:
        return len(self.lines) + len(self.inbound) + len(self.outbound) + len(self.synthesis)

    def files(self) -> tuple[tuple[str, bytearray], ...]:
        """(file name, bytes to append), in the order in which they must reach the disk."""
        return (
            (INBOUND, self.inbound),
            (OUTBOUND, self.outbound),
            (SYNTHESIS, self.synthesis),
            (EVENTS, self.lines),
        )


def folder_name(meta: Meta) -> str:
    """Name of a call's folder: names in order are calls in order of time; of the call id, what is safe in a path."""
    started = meta.started.astimezone(UTC)
    call_id = re.sub(r"[^A-Za-z0-9._-]", "_", meta.call_id)[:80] or "call"
    return f"{started:%Y%m%dT%H%M%S}.{started.microsecond // 1000:03d}-{call_id}"


def encode_transcript(turns: Sequence[Turn]) -> bytes:
    """Contents of `transcript.json`."""
    return msgspec.json.format(msgspec.json.encode(turns), indent=2) + b"\n"


def encode_meta(meta: Meta) -> bytes:
    """Contents of `meta.json`."""
    return msgspec.json.format(msgspec.json.encode(meta), indent=2) + b"\n"


# ---- reading


class _Short(Exception):
    """A raw file ends before the audio that a line speaks of."""


class _Raw:
    """A raw file, taken piece by piece."""

    def __init__(self, path: Path, keys: Keys) -> None:
        self._data, self.whole = keys.opened(path.read_bytes(), path) if path.exists() else (b"", True)
        self._offset = 0

    def take(self, size: int) -> bytes:
        end = self._offset + size
        if end > len(self._data):
            raise _Short
        piece, self._offset = self._data[self._offset : end], end
        return piece


def read_meta(folder: Path, keys: Keys = PLAIN) -> Meta:
    """The dump's `meta.json`. Raises DumpError when there is none, or it was written in another format, SealedError when `keys` do not open it."""
    path = folder / META
    try:
        data = keys.read_file(path)
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror}; name a call's folder, the one that holds {META}") from None
    try:
        version = msgspec.json.decode(data).get("format")
        if version != FORMAT:
            raise DumpError(f"{path}: written in format {version}, this version of allo reads format {FORMAT}")
        return msgspec.json.decode(data, type=Meta)
    except (msgspec.MsgspecError, AttributeError) as error:
        raise DumpError(f"{path}: not a call's meta.json ({error})") from None


def read_dump(folder: Path, keys: Keys = PLAIN) -> Dump:
    """Read a call's folder; `keys`: for one that is sealed.

    A torn last line, or audio that is shorter than the lines say, ends the dump there: `complete` is then False, and
    the last step may lack actions. Anything else that is wrong raises DumpError."""
    meta = read_meta(folder, keys)
    path = folder / EVENTS
    try:
        data, ended = keys.opened(path.read_bytes(), path)
    except FileNotFoundError:
        data, ended = b"", True  # killed before the first flush
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror}") from None
    *lines, torn = data.split(b"\n")
    audio = [_Raw(folder / name, keys) for name in (INBOUND, OUTBOUND, SYNTHESIS)]
    steps, whole = _read_steps(path, lines, *audio)
    whole = whole and not torn and ended and all(raw.whole for raw in audio)
    return Dump(meta, tuple(steps), complete=whole and (folder / TRANSCRIPT).exists())


def _read_steps(
    path: Path, lines: Sequence[bytes], inbound: _Raw, outbound: _Raw, synthesis: _Raw
) -> tuple[list[Step], bool]:
    steps: list[Step] = []
    event: Event | None = None
    actions: list[Action] = []
    at = first_line = 0

    def close() -> None:
        if event is not None:
            steps.append(Step(at, event, tuple(actions), first_line))
            actions.clear()

    for number, line in enumerate(lines, 1):
        try:
            head = _decode_head(line)
            if head.event:
                following = _decode_event(line)
                if type(following) is _Media:
                    following = MediaReceived(inbound.take(following.size), following.timestamp)
                elif type(following) is _Synthesis:
                    audio = synthesis.take(following.size)
                    following = SpeechSynthesized(following.reply, following.chunk, audio, following.last)
                close()
                event, at, first_line = following, head.t, number
            else:
                action = _decode_action(line)
                if type(action) is _Sent:
                    action = SendMedia(outbound.take(action.size))
                if event is None:
                    raise DumpError(f"{path}: line {number}: an action before the first event")
                actions.append(action)
        except _Short:
            close()
            return steps, False
        except msgspec.MsgspecError as error:
            raise DumpError(f"{path}: line {number}: {error}") from None
    close()
    return steps, True
