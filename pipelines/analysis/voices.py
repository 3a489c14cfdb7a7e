"""Who spoke when, from a dump: the caller by the voice activity that the call was told of, the agent by the sound that was played."""

from collections.abc import Iterable, Iterator

import msgspec

from pipelines.actions import HOLD_MUSIC, ClearMedia, Observed, Perceive, SendMedia, Synthesize
from pipelines.audio.inbound import Inbound
from pipelines.call import WINDOW
from pipelines.events import MediaReceived, SpeechSynthesized, WindowAnalyzed
from pipelines.replay.dump import Dump
from pipelines.replay.ear import Ear
from pipelines.turns.speech import Speech, SpeechStarted, SpeechStopped
from pipelines.units import MS, SECOND

_JOIN_US = 200 * MS  # between chunks of one reply, and between syllables


class Span(msgspec.Struct, frozen=True, order=True):
    """Call time from `start` to `end`, in microseconds."""

    start: int
    end: int

    @property
    def length(self) -> int:
        return self.end - self.start


class Voices(msgspec.Struct, frozen=True):
    """Spans in order that do not touch. `perceived`: what each `Perceive` was about, by its request: first media sample, and when it was
    said."""

    caller: tuple[Span, ...]
    agent: tuple[Span, ...]
    music: tuple[Span, ...]
    perceived: dict[int, tuple[int, Span]]


def voices(dump: Dump) -> Voices:
    """Both sides of the call. Where nothing told the caller's speech from silence (a window was lost, a dump without windows) his turns do."""
    spoken, perceived = _caller(dump)
    turns = [
        Span(round(turn.start * SECOND), round(turn.end * SECOND)) for turn in dump.turns() if turn.party != "agent"
    ]
    unseen = [turn for turn in turns if turn.length and not any(common(turn, span) for span in spoken)]
    agent, music = _agent(dump)
    return Voices(joined([*spoken, *unseen]), agent, music, perceived)


def _caller(dump: Dump) -> tuple[list[Span], dict[int, tuple[int, Span]]]:
    """As `Call` heard him: the same windows, thresholds and clock."""
    inbound, speech = Inbound(dump.meta.inbound, WINDOW), Speech(dump.meta.settings, WINDOW)
    spans: list[Span] = []
    perceived: dict[int, tuple[int, Span]] = {}
    began = 0

    def stopped(last: int) -> None:
        end = inbound.said_at(last)
        if end > began:
            spans.append(Span(max(began, 0), end))

    for step in dump.steps:
        if isinstance(step.event, MediaReceived):
            inbound.receive(step.at, step.event)
        elif isinstance(step.event, WindowAnalyzed):
            match speech.window_analyzed(step.event.first, step.event.p_speech):
                case SpeechStarted(first=first):
                    began = inbound.said_at(first)
                case SpeechStopped(last=last):
                    stopped(last)
        for action in step.actions:
            if isinstance(action, Observed) and action.fact == "media_starved" and speech.speaking:
                stopped(speech.stop().last)
            elif isinstance(action, Perceive):
                said = Span(max(inbound.said_at(action.first), 0), inbound.said_at(action.last))
                perceived[action.request] = action.first, said
    if speech.speaking:
        stopped(speech.last)
    return spans, perceived


def _agent(dump: Dump) -> tuple[tuple[Span, ...], tuple[Span, ...]]:
    """What was played of the agent: voice, and hold music, which is known by its samples."""
    if dump.meta.settings.echo:
        return (), ()
    outbound = dump.meta.outbound
    asked = {(action.reply, action.chunk) for _, action in dump.actions(Synthesize) if action.text == HOLD_MUSIC}
    tunes = {event.audio for _, event in dump.events(SpeechSynthesized) if (event.reply, event.chunk) in asked}
    ear = Ear(outbound)
    for at, action in dump.actions(SendMedia, ClearMedia):
        ear.take(at, action)
    voice, music = [], []
    for sound in ear.pieces():
        span = Span(sound.at, min(sound.at + outbound.duration_us(len(sound.audio)), dump.duration_us))
        if span.length > 0:
            (music if any(sound.audio in tune for tune in tunes) else voice).append(span)
    return joined(voice), joined(music)


# ---- spans


def joined(spans: Iterable[Span]) -> tuple[Span, ...]:
    """In order, with those together that overlap or have no pause between them."""
    out: list[Span] = []
    for span in sorted(spans):
        if out and span.start - out[-1].end < _JOIN_US:
            out[-1] = Span(out[-1].start, max(out[-1].end, span.end))
        else:
            out.append(span)
    return tuple(out)


def common(one: Span, other: Span) -> int:
    """Microseconds that two spans share."""
    return max(0, min(one.end, other.end) - max(one.start, other.start))


def between(spans: Iterable[Span], end: int) -> Iterator[Span]:
    """What is left of the time from 0 to `end`."""
    at = 0
    for span in sorted(spans):
        if at < min(span.start, end):
            yield Span(at, min(span.start, end))
        at = max(at, span.end)
    if at < end:
        yield Span(at, end)
