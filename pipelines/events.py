"""Everything that can happen to a call, as frozen values. The driver stamps each with call time and hands it to `Call.receive`.

Every event encodes to one JSON object tagged by its class name (`msgspec.json.encode`), which is how dumps keep it.
`request`, `reply` and `chunk` are numbers the call gave out in an action; a late answer is recognised by them and dropped.
"""

import msgspec

from pipelines.frames import AudioFormat


class Event(msgspec.Struct, frozen=True, tag_field="event", tag=True, omit_defaults=True):
    """Base of all events."""


# ---- from the carrier


class CallStarted(Event):
    """The carrier's media stream is open. `caller` and `called` are numbers as the carrier gave them, "" when withheld."""

    call_id: str
    carrier: str
    inbound: AudioFormat
    outbound: AudioFormat
    caller: str = ""
    called: str = ""


class MediaReceived(Event, gc=False):
    """One packet of caller audio, in the call's inbound format.

    `timestamp`: milliseconds since the stream's start as the carrier stamped it, or None on wires that have none
    (the bytes are then taken as contiguous).
    """

    payload: bytes
    timestamp: int | None = None


class DigitReceived(Event):
    """The caller pressed a key: one of 0-9, *, #, A-D."""

    digit: str


class MarkReturned(Event, gc=False):
    """The carrier played (or, with `cleared`, threw away) everything sent before our mark `name`."""

    name: str
    cleared: bool = False


class CallEnded(Event):
    """The call is over; nothing can be sent any more. `reason`: "caller", "agent" (it hung up), "operator" (one who watches hung up), "transfer",
    "silence", "limit", "failed" (a model), "lost" (the wire broke), "refused" (a hostile or broken wire), "shutdown"."""

    reason: str


# ---- from the models


class WindowAnalyzed(Event, gc=False):
    """Voice activity of the window that starts at media sample `first`: probability of speech, 0 to 1."""

    first: int
    p_speech: float


class TranscriptReady(Event):
    """Answer to `Transcribe`. `text` may be empty (no words). `language`: ISO 639-1 code, with its probability."""

    request: int
    text: str
    language: str
    p_language: float = 1.0


class TurnJudged(Event):
    """Answer to `JudgeTurn`: probability, 0 to 1, that the caller has finished, by the sound of his last words."""

    request: int
    p_end: float


class OverlapJudged(Event):
    """Answer to `JudgeOverlap(last)`: probability, 0 to 1, that what is said over the agent interrupts it."""

    last: int
    p: float


class EmotionHeard(Event):
    """Answer to `Perceive`: the likeliest of the model's emotions, and its probability, 0 to 1."""

    request: int
    label: str
    p: float


class VoiceHeard(Event):
    """Answer to `Perceive`: the voice in that stretch of speech. `voice`: an embedding of length 1, as little-endian float16."""

    request: int
    voice: bytes


class CallerKnown(Event):
    """Answer to `Identify`: his voice is like that of the enrolled person `name`, with the cosine `score`, which reached `threshold`. It is no
    proof of who he is."""

    name: str
    score: float
    threshold: float


class SentimentRead(Event):
    """Answer to `Appraise`: "negative", "neutral" or "positive", whichever is likeliest, and its probability, 0 to 1."""

    turn: int
    label: str
    p: float


class ReplyDelta(Event):
    """The agent's next piece of text in `reply`."""

    reply: int
    text: str


class ToolExpected(Event):
    """The agent is about to call a tool: its name is known, its arguments are still being written."""

    reply: int
    tool: str


class ToolStarted(Event):
    """The agent called a tool; nothing more is said until it finishes."""

    reply: int
    tool: str
    arguments: str = "{}"


class ToolFinished(Event):
    """`output`: what the agent got back, as text. `failed`: the tool raised or ran out of time."""

    reply: int
    tool: str
    output: str = ""
    failed: bool = False


class ReplyFinished(Event):
    """The agent has no more text for `reply`."""

    reply: int


class SpeechSynthesized(Event):
    """Audio of a chunk, in the call's outbound format; `last` closes the chunk. Leading and trailing silence is already trimmed."""

    reply: int
    chunk: int
    audio: bytes
    last: bool = True


class ModelFailed(Event):
    """A model raised, timed out or crashed. `port`: "stt", "agent", "tts", "vad", "turn", "overlap", "emotion", "speaker" or "sentiment"; `request`: the request's, reply's or chunk's
    number (for "tts" the chunk, with `reply` set). A carrier that refuses a transfer fails in the same way, as port "transfer"."""

    port: str
    request: int
    reason: str
    reply: int = -1


# ---- what the agent asks of the call (through its call tools)


class HangUpRequested(Event):
    """The agent wants to end the call once what it is saying has been heard."""

    reply: int


class TransferRequested(Event):
    """The agent wants the call transferred to `number` once what it is saying has been heard."""

    reply: int
    number: str


class DigitsRequested(Event):
    """The agent wants DTMF `digits` sent."""

    reply: int
    digits: str


class DigitsExpected(Event):
    """The agent asks the caller for keys: `length` of them, 0 when it does not know how many."""

    reply: int
    length: int = 0


# ---- from those who watch


class NoteGiven(Event):
    """An operator whispers `text` to the agent, which heeds it when it answers next. The caller does not hear it."""

    text: str


# ---- time


class DeadlineReached(Event, gc=False):
    """A deadline set by `SetDeadline` passed."""

    name: str


AnyEvent = (
    CallStarted
    | MediaReceived
    | DigitReceived
    | MarkReturned
    | CallEnded
    | WindowAnalyzed
    | TranscriptReady
    | TurnJudged
    | OverlapJudged
    | EmotionHeard
    | VoiceHeard
    | CallerKnown
    | SentimentRead
    | ReplyDelta
    | ToolExpected
    | ToolStarted
    | ToolFinished
    | ReplyFinished
    | SpeechSynthesized
    | ModelFailed
    | HangUpRequested
    | TransferRequested
    | DigitsRequested
    | DigitsExpected
    | NoteGiven
    | DeadlineReached
)
