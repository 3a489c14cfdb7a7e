"""Everything a call can ask of its driver, as frozen values. Actions carry no audio of the caller: the driver fetches it with
`Call.span(first, last)` in 16 kHz media samples."""

import msgspec


class Action(msgspec.Struct, frozen=True, tag_field="action", tag=True, omit_defaults=True):
    """Base of all actions. Those that come with every frame are not tracked by the garbage collector: they hold no containers."""


# ---- to the models


class AnalyzeWindow(Action, gc=False):
    """Run voice activity over media samples [first, last); answered by `WindowAnalyzed`."""

    first: int
    last: int


class Transcribe(Action):
    """Recognise media samples [first, last); answered by `TranscriptReady` or `ModelFailed("stt", request)`.

    `final`: the utterance has ended (a final goes before any partial, and is never dropped; a newer partial replaces an older one).
    `language`: fixed language, or "" to detect among the agent's. `attempt`: 0 first try, 1 retry, 2 the configured fallback.
    """

    request: int
    first: int
    last: int
    final: bool
    language: str = ""
    attempt: int = 0


class JudgeTurn(Action):
    """Tell by the sound whether the caller has finished: his turn so far is media samples [first, last). Answered by `TurnJudged`;
    not at all, or by `ModelFailed("turn", request)`, when there is no such model or it is busy: the words decide then."""

    request: int
    first: int
    last: int


class JudgeOverlap(Action):
    """Tell by the sound whether who has begun to speak over the agent interrupts: media samples [first, last), from just before his onset to now.
    Answered by `OverlapJudged`; not at all, or by `ModelFailed("overlap", last)`, when there is no such model or it is busy: the words decide then.
    A newer one replaces one that waits."""

    first: int
    last: int


class Perceive(Action):
    """Tell by their sound how somebody feels, and who he is, who says media samples [first, last), what `Transcribe(request)` is about. Answered
    by `EmotionHeard` and `VoiceHeard`, of the models that there are; not at all, or by `ModelFailed("emotion" or "speaker", request)`, when they
    are busy with others: the call does not wait for them."""

    request: int
    first: int
    last: int


class Identify(Action):
    """Tell whether the caller is one of the people who are enrolled. `voice`: his, as in `VoiceHeard`. Answered by `CallerKnown`, or not at all
    when he is nobody's like: who else is enrolled is the driver's secret."""

    voice: bytes


class Appraise(Action):
    """Tell the sentiment of `text`, the caller's turn number `turn` (from 0). Answered by `SentimentRead`, or not at all, as `Perceive`."""

    turn: int
    text: str
    language: str


class Notice(Action):
    """What the agent is to know when it answers next: `fact` "emotion" (the caller sounds `value`, with probability `p`), "known_caller" (his
    voice is like that of `value`, with the cosine `p`, which reached `threshold`) or "note" (an operator says `value`)."""

    fact: str
    value: str
    p: float
    threshold: float = 0.0


class StartReply(Action):
    """Let the agent answer `text`, said by the caller in `language`; answered by `ReplyDelta`... and `ReplyFinished`.

    `speculative`: the caller may not have finished. Nothing is done that anybody could notice (no tool but those that only read)
    until `CommitReply`; `CancelReply` and `ForgetReply` undo it."""

    reply: int
    text: str
    language: str
    attempt: int = 0
    speculative: bool = False


class CommitReply(Action):
    """The speculative `reply` is the answer: what it held back may be done."""

    reply: int


class ForgetReply(Action):
    """`reply` was none: a draft that was dropped, or one that was cut before anybody noticed it, since the caller went on. Neither
    its words nor what it answers stay in memory; what it answers comes again, as part of a longer turn. After its `CancelReply`."""

    reply: int


HOLD_MUSIC = "\N{EIGHTH NOTE}"
"""The text of a chunk that is the agent's hold music."""


class Synthesize(Action):
    """Speak `text` in `language`; answered by `SpeechSynthesized` or `ModelFailed("tts", chunk, reply=reply)`. No voice speaks
    `HOLD_MUSIC`: it is answered with music, some seconds of it, at once."""

    reply: int
    chunk: int
    text: str
    language: str
    attempt: int = 0


class CancelReply(Action):
    """Stop whatever still produces `reply` (agent, tools that can be stopped, synthesis)."""

    reply: int


class Remember(Action):
    """What the caller really heard of `reply`: the agent's memory of that reply becomes exactly `text` ("" removes it)."""

    reply: int
    text: str


# ---- to the carrier


class SendMedia(Action, gc=False):
    """One frame of agent audio in the outbound format, to be sent now."""

    payload: bytes


class SendMark(Action, gc=False):
    """A position echo: the carrier returns `name` when all media before it was played."""

    name: str


class ClearMedia(Action):
    """Flush what the carrier has buffered."""


class SendDigits(Action):
    """Send DTMF."""

    digits: str


class Transfer(Action):
    """Hand the call to `number`; our part ends."""

    number: str


class HangUp(Action):
    """End the call. `reason` as in `CallEnded`."""

    reason: str


# ---- time


class SetDeadline(Action, gc=False):
    """Deliver `DeadlineReached(name)` at call time `at` (microseconds); replaces an earlier deadline of that name."""

    name: str
    at: int


class CancelDeadline(Action, gc=False):
    """Forget the deadline `name`, if it is set."""

    name: str


# ---- for those who watch


class Turn(msgspec.Struct, frozen=True):
    """One finished turn, as `transcript.json` keeps it. Times are seconds of the call.

    `party`: "caller", "agent", or "other": somebody else on the caller's line, whose words were left out. `speaker`: "other 1" ..., of the caller the
    name by which his voice was known when the turn ended, "" for none.
    `heard`: of an agent's turn, the words the caller heard; of a caller's turn, the same as `text`.
    `gap`: for an agent's turn that answers the caller, seconds from his last word to the first sound in his ear, else None.
    `parts`: what the gap is made of, in seconds, in order; they add up to `gap`.
    """

    party: str
    text: str
    heard: str
    start: float
    end: float
    gap: float | None = None
    parts: dict[str, float] = {}
    language: str = ""
    interrupted: bool = False
    speaker: str = ""


class CaptionUpdated(Action):
    """The caller's words so far, while he speaks: `committed` will not change before the final transcript, `tentative` may."""

    committed: str
    tentative: str
    language: str = ""


class TurnTaken(Action):
    """A turn is complete."""

    turn: Turn


class Observed(Action):
    """A fact worth counting, with no words and no numbers of the caller: "speech_started", "speech_stopped", "barge_in",
    "backchannel", "false_interruption", "window_gap", "filler", "model_retry", "model_fallback", "apology", "turn_limit" ...
    `value`: seconds or a count, where the fact has one."""

    fact: str
    value: float = 0.0


AnyAction = (
    AnalyzeWindow
    | Transcribe
    | JudgeTurn
    | JudgeOverlap
    | Perceive
    | Identify
    | Appraise
    | Notice
    | StartReply
    | CommitReply
    | ForgetReply
    | Synthesize
    | CancelReply
    | Remember
    | SendMedia
    | SendMark
    | ClearMedia
    | SendDigits
    | Transfer
    | HangUp
    | SetDeadline
    | CancelDeadline
    | CaptionUpdated
    | TurnTaken
    | Observed
)
