"""What a call was, once it is over: the shape of `analysis.json`. Times are seconds of the call, to the millisecond.

Parties are "caller", "agent" and, of words that the call left out, "other". It holds the words of both, and no number that the carrier gave.
"""

from datetime import datetime

import msgspec


class Reading(msgspec.Struct, frozen=True):
    """What a model took something for: the likeliest label, and its probability, 0 to 1."""

    label: str
    p: float


class SpokenTurn(msgspec.Struct, frozen=True):
    """One turn. `text`, `heard`, `gap`, `interrupted` as in `actions.Turn`; `speaker`: on the caller's line, where voices were told apart: "caller", or
    the name by which his voice was known, or "other 1" ... (a turn of the party "caller" too, where the call took it for his); `emotion`, `sentiment`: of a caller's turn, where they were told."""

    party: str
    start: float
    end: float
    text: str
    heard: str
    language: str = ""
    speaker: str = ""
    gap: float | None = None
    interrupted: bool = False
    emotion: Reading | None = None
    sentiment: Reading | None = None


class Felt(msgspec.Struct, frozen=True):
    """How the caller sounded from `start` to `end`."""

    start: float
    end: float
    label: str
    p: float


class Talk(msgspec.Struct, frozen=True):
    """How much one party spoke: `seconds` of voice, `share` of the voice of both (0 to 1), turns, and words that were heard."""

    seconds: float
    share: float
    turns: int
    words: int


class Voice(msgspec.Struct, frozen=True):
    """Voice without a pause worth the name, or music."""

    start: float
    end: float


class Speaking(msgspec.Struct, frozen=True):
    """`speaker` had the caller's line from `start` to `end`."""

    start: float
    end: float
    speaker: str


class KnownCaller(msgspec.Struct, frozen=True):
    """The caller's voice was like that of the enrolled person `name`: a cosine of `score`, from `threshold` on. No proof of who he was."""

    name: str
    score: float
    threshold: float


class Overlap(msgspec.Struct, frozen=True):
    """Both spoke, for `seconds`: `came_in` began while the other spoke, `floor` spoke on when the other was silent. `taken_for`: what the call
    made of it, "barge_in", "backchannel" or "false_interruption", "" when it made nothing of it."""

    start: float
    seconds: float
    came_in: str
    floor: str
    taken_for: str = ""


class Silence(msgspec.Struct, frozen=True):
    """Neither voice nor music for `seconds`: `after` spoke before it, `broken_by` ended it; "" where nobody did."""

    start: float
    seconds: float
    after: str = ""
    broken_by: str = ""


class Interruption(msgspec.Struct, frozen=True):
    """`by` took the floor from the other. By the caller: after `yielded_s` the agent was silent, `heard` is what he had heard of its turn and
    `unheard` what was left of it; `resumed`: he had only murmured, and the agent went on."""

    at: float
    by: str
    yielded_s: float | None = None
    heard: str = ""
    unheard: str = ""
    resumed: bool = False


class Gaps(msgspec.Struct, frozen=True):
    """Seconds from the caller's last word to the agent's first sound, over all answers; None when there was none."""

    answers: int
    median: float | None = None
    p95: float | None = None
    longest: float | None = None


class Key(msgspec.Struct, frozen=True):
    """A key, pressed by `party`."""

    at: float
    party: str
    key: str


class ToolCall(msgspec.Struct, frozen=True):
    """A tool the agent called. `outcome`: "finished", "failed" or "unfinished" (the call ended before); `seconds`: how long it ran."""

    at: float
    seconds: float
    tool: str
    arguments: str
    outcome: str


class Finding(msgspec.Struct, frozen=True):
    """A field that was asked for. `value`: None when it was not said; `quote`: the words of the call that say it. `left_out`: why a value that
    the model gave is not here."""

    value: str | int | float | bool | None = None
    quote: str = ""
    left_out: str = ""


class Findings(msgspec.Struct, frozen=True):
    """What a language model made of the words. The summary is its own, a field's quote was found in the transcript."""

    model: str
    language: str
    summary: str
    fields: dict[str, Finding] = {}


class Analysis(msgspec.Struct, frozen=True):
    """A call. `speakers`: who of several spoke when on the caller's line, () where voices were not told apart. `outcome`: why it ended, as in `CallEnded`, "" when the recording does not say; `answered`: who answered a call of ours ("person",
    "machine", "ivr"); `findings_missing`: why there are none."""

    call_id: str
    carrier: str
    agent: str
    started: datetime
    seconds: float
    complete: bool
    outcome: str
    answered: str
    turns: tuple[SpokenTurn, ...]
    emotions: tuple[Felt, ...]
    talk: dict[str, Talk]
    voices: dict[str, tuple[Voice, ...]]
    music: tuple[Voice, ...]
    overlaps: tuple[Overlap, ...]
    silences: tuple[Silence, ...]
    interruptions: tuple[Interruption, ...]
    gaps: Gaps
    keys: tuple[Key, ...]
    tools: tuple[ToolCall, ...]
    speakers: tuple[Speaking, ...] = ()
    known_caller: KnownCaller | None = None
    findings: Findings | None = None
    findings_missing: str = ""


def encode(analysis: Analysis) -> bytes:
    """Contents of `analysis.json`."""
    return msgspec.json.format(msgspec.json.encode(analysis), indent=2) + b"\n"


def decode(data: bytes) -> Analysis:
    """Raises msgspec.MsgspecError."""
    return msgspec.json.decode(data, type=Analysis)
