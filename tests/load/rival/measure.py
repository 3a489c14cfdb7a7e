"""What the caller's ear measured of a call, the same for every server."""

from collections.abc import Iterator
from itertools import zip_longest

import msgspec

from pipelines.actions import Synthesize
from pipelines.events import SpeechSynthesized
from pipelines.replay.dump import Dump
from server.caller.conversation import Conversation
from server.caller.script import Interrupt


class Heard(msgspec.Struct):
    """Of one call or several, in seconds.

    `gaps`: from the last sound of what the caller said to the agent's first; `answers`: the same, but to the first sound that is
    no filler. `unanswered`: things said that no silence and then an answer followed. `yields`: from the first sound of an
    interruption until the agent was silent; `held`: interruptions that it did not yield to; `missed`: those that found no agent
    speaking for long enough. `others`: of each call, what share of the machine's processor time had nothing to do with it.
    """

    gaps: list[float] = []
    answers: list[float] = []
    yields: list[float] = []
    unanswered: int = 0
    held: int = 0
    missed: int = 0
    others: list[float] = []

    def add(self, other: "Heard") -> None:
        for field in self.__struct_fields__:
            setattr(self, field, getattr(self, field) + getattr(other, field))


class Filler(msgspec.Struct, frozen=True):
    """A filler in the call's microseconds: when its audio was there, how long it is, and when the audio of the words that followed
    it was there (None: none did)."""

    at: int
    length: int
    answer_at: int | None


def heard(conversation: Conversation, dump: Dump | None = None) -> Heard:
    """`dump`: Allô's record of the call, which knows the fillers; None for a server that has none."""
    result = Heard()
    ear, fillers = conversation.line.ear, list(_fillers(dump)) if dump else []
    for said, following in zip_longest(conversation.said, conversation.said[1:]):
        until = conversation.line.now if following is None else following.start
        gap = conversation.gap(said.end)
        if gap is None or said.end + gap >= until:
            result.unanswered += 1
            continue
        result.gaps.append(gap / 1e6)
        answer: int | None = said.end + gap
        for filler in fillers:
            if answer is not None and said.end <= filler.at <= answer:  # what sounds there is the filler
                end = answer + filler.length
                answer = None if filler.answer_at is None else ear.audible_from(max(end, filler.answer_at), until)
        if answer is None:
            result.unanswered += 1
        else:
            result.answers.append((answer - said.end) / 1e6)
    for acted in conversation.acted:
        if isinstance(conversation.script.step[acted.step], Interrupt):
            if acted.fault:
                result.missed += 1
            elif acted.yielded is None:
                result.held += 1
            else:
                result.yields.append(acted.yielded / 1e6)
    return result


def _fillers(dump: Dump) -> Iterator[Filler]:
    """In order of time."""
    phrases = dump.meta.settings.phrases.values()
    spoken = {(a.reply, a.chunk): any(p.is_aside(a.text) for p in phrases) for _, a in dump.actions(Synthesize)}
    audio: dict[tuple[int, int], tuple[int, int]] = {}
    for at, event in dump.events(SpeechSynthesized):
        first, size = audio.get((event.reply, event.chunk), (at, 0))
        audio[event.reply, event.chunk] = first, size + len(event.audio)
    for (reply, chunk), (at, size) in audio.items():
        if spoken[reply, chunk]:
            words = [first for key, (first, _) in audio.items() if not spoken[key] and first > at]
            yield Filler(at, dump.meta.outbound.duration_us(size), min(words, default=None))
