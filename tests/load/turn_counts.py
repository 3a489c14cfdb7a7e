"""What is counted in a call of the turn-taking bench: from its dump, where things are decided, and from the wave in the
caller's ear, where they are felt. Pure.

Times are microseconds: of the call in a dump, of the stream at the caller's. Both clocks start when the stream opens;
on one machine they differ by a few milliseconds.
"""

from collections.abc import Iterator, Sequence

import msgspec
import numpy as np

from pipelines.actions import CancelReply, ClearMedia, Remember, StartReply, Synthesize, Turn, TurnTaken
from pipelines.audio.g711 import decode
from pipelines.events import SpeechSynthesized
from pipelines.replay.dump import Dump
from pipelines.units import SECOND
from server.caller.ear import Ear, Pcm

_SLACK_US = 50_000  # by which the two clocks, or a measure of silence, may err
_NEAR_US = 400_000  # by which voice activity may find speech early or late
_AFTER_US = 1_500_000  # a sound is to blame for what the agent does this long after it
_QUIET_US = 300_000  # an agent heard this shortly before the caller's last word was speaking all along
_PAUSE_US = 200_000  # between two sentences of the agent's
_MATCH = 160  # samples of speech that occur once
_LOUD = 200  # of int16: where a piece of speech begins


class Span(msgspec.Struct, frozen=True):
    """A stretch of the caller's sound, its inner pauses included."""

    start: int
    end: int


class Piece(msgspec.Struct, frozen=True):
    """Synthesized audio that reached the ear: `start`, its first sound in the stream; `heard` and `whole`, how much of it was heard and
    how much there was, in microseconds. `filler`: it is one of the agent's fillers."""

    reply: int
    chunk: int
    start: int
    heard: int
    whole: int
    filler: bool


class Answer(msgspec.Struct, frozen=True):
    """From the caller's last word to the agent's `first` sound and to the first `word` of the answer itself, in
    seconds; `parts` of the first, as the server knows them."""

    first: float
    word: float | None
    parts: dict[str, float]


class Covered(msgspec.Struct, frozen=True):
    """A sound over the agent that asks for nothing. `stopped`: the agent fell silent for it; `silence`: then, the
    seconds until it went on (None: it did not); `answered`: the sound was taken for a turn."""

    stopped: bool
    silence: float | None = None
    answered: bool = False

    @property
    def resumed(self) -> bool:
        """It went on within a second, and with what it was saying."""
        return self.silence is not None and self.silence <= 1.0 and not self.answered


# ---- decided: in the dump


def cut_off(dump: Dump, utterance: Span) -> int:
    """How often a turn was taken from the caller before he had finished `utterance`."""
    return sum(
        utterance.start < at < utterance.end - _SLACK_US and turn.end * SECOND > utterance.start
        for at, turn in _caller_turns(dump)
    )


def cleared(dump: Dump, sound: Span) -> int | None:
    """When the agent's audio was first cleared because of `sound`: while it lasted, or up to 1.5 s after."""
    return next(
        (at for at, _ in dump.actions(ClearMedia) if sound.start - _SLACK_US <= at <= sound.end + _AFTER_US), None
    )


def answered(dump: Dump, sound: Span) -> bool:
    """Whether `sound`, and nothing said before or after it, was taken as a turn of the caller's."""
    return any(
        turn.start * SECOND > sound.start - _NEAR_US and turn.end * SECOND < sound.end + _NEAR_US
        for _, turn in _caller_turns(dump)
    )


def _caller_turns(dump: Dump) -> Iterator[tuple[int, Turn]]:
    return ((at, taken.turn) for at, taken in dump.actions(TurnTaken) if taken.turn.party == "caller")


def memories(dump: Dump) -> Iterator[tuple[int, str]]:
    """(reply, the words it remembers) of every reply of the agent's that was cut while it was audible."""
    for step in dump.steps:
        cut = {action.reply for action in step.actions if isinstance(action, CancelReply)}
        if any(isinstance(action, ClearMedia) for action in step.actions):
            for action in step.actions:
                if isinstance(action, Remember) and action.reply in cut:
                    yield action.reply, action.text


def words_of(dump: Dump, reply: int) -> dict[int, tuple[str, str]]:
    """(text, language) of each chunk of a reply that was spoken, fillers left out."""
    return {
        action.chunk: (action.text, action.language)
        for _, action in dump.actions(Synthesize)
        if action.reply == reply and not _is_filler(dump, action)
    }


def audio_of(dump: Dump, reply: int, chunk: int) -> Pcm:
    """All audio of a chunk, at the rate of the outbound wire."""
    pieces = [
        decode(event.audio, dump.meta.outbound.encoding)
        for _, event in dump.events(SpeechSynthesized)
        if (event.reply, event.chunk) == (reply, chunk) and event.audio
    ]
    return np.concatenate(pieces) if pieces else np.zeros(0, np.int16)


def _is_filler(dump: Dump, action: Synthesize) -> bool:
    phrases = dump.meta.settings.phrases.get(action.language)
    return phrases is not None and phrases.is_aside(action.text)


# ---- felt: in the ear


def pieces(dump: Dump, wave: Pcm) -> list[Piece]:
    """Every piece of synthesized audio that can be found, sample for sample, in the ear's `wave`, in order of time."""
    rate, sound = dump.meta.outbound.sample_rate, wave.tobytes()
    fillers = {(a.reply, a.chunk) for _, a in dump.actions(Synthesize) if _is_filler(dump, a)}
    found = []
    for at, event in dump.events(SpeechSynthesized):
        pcm = decode(event.audio, dump.meta.outbound.encoding)
        loud = np.flatnonzero(np.abs(pcm.astype(np.int32)) > _LOUD)
        if not len(loud):
            continue
        lead = int(loud[0])
        start = _find(sound, pcm[lead : lead + _MATCH].tobytes(), (at - _SLACK_US) * rate // SECOND)
        if start is None:
            continue
        rest = wave[start : start + len(pcm) - lead]
        other = np.flatnonzero(rest != pcm[lead : lead + len(rest)])
        heard = lead + (int(other[0]) if len(other) else len(rest))
        found.append(
            Piece(
                event.reply,
                event.chunk,
                start * SECOND // rate,
                heard * SECOND // rate,
                len(pcm) * SECOND // rate,
                (event.reply, event.chunk) in fillers,
            )
        )
    return sorted(found, key=lambda piece: piece.start)


def _find(sound: bytes, wanted: bytes, after: int) -> int | None:
    """The first sample from `after` on at which `wanted` begins; both int16."""
    place = sound.find(wanted, max(after, 0) * 2)
    while place % 2 and place != -1:
        place = sound.find(wanted, place + 1)
    return None if place == -1 else place // 2


def answer(dump: Dump, ear: Ear, found: Sequence[Piece], utterance: Span, until: int) -> Answer | None:
    """What the caller waited for after `utterance`, if he was answered before `until`; None too when the agent had
    been speaking all along."""
    first = ear.audible_from(utterance.end, until)
    if first is None or first - utterance.end < _SLACK_US or ear.heard(utterance.end - _QUIET_US, utterance.end):
        return None
    replies = {action.reply for _, action in dump.actions(StartReply)}
    words = (p.start for p in found if p.reply in replies and not p.filler and utterance.end <= p.start < until)
    word = next(words, None)
    near = (utterance.end - _NEAR_US) / SECOND, until / SECOND
    parts = (t.parts for t in dump.turns() if t.party == "agent" and t.gap is not None and near[0] <= t.start < near[1])
    return Answer(
        (first - utterance.end) / SECOND,
        None if word is None else (word - utterance.end) / SECOND,
        dict(next(parts, {})),
    )


def covered(dump: Dump, ear: Ear, sound: Span, until: int) -> Covered | None:
    """How the agent took a sound over it; None when it fell on silence. `until`: when the caller said or did something
    else."""
    if not ear.heard(sound.start - _SLACK_US, sound.start + _PAUSE_US):
        return None
    at = cleared(dump, sound)
    if at is None:
        return Covered(False, None, answered(dump, sound))
    last = ear.audible_until(sound.start, at + _SLACK_US)
    on = ear.audible_from(at + _SLACK_US, until)
    return Covered(True, None if on is None else (on - last) / SECOND, answered(dump, sound))


def yielded(dump: Dump, ear: Ear, interruption: Span) -> float | None:
    """Seconds from the first sound of an interruption until the agent was silent for it; infinite when it went on
    until the caller had finished. None when it fell on silence, or on the last sound of what the agent had to say."""
    start, end = interruption.start, interruption.end
    if not ear.heard(start - _SLACK_US, start + _SLACK_US):
        return None
    last = ear.audible_until(start, end)
    if last > end - _SLACK_US:
        return float("inf")
    return None if cleared(dump, interruption) is None else (last - start) / SECOND
