"""Who answers a call in virtual time: real models behind their ports, or what was recorded.

By default the agent's part is taken from the recording, so that a run differs from it by hearing and turn-taking alone.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from difflib import SequenceMatcher
from typing import Protocol

import msgspec

from pipelines import actions as do
from pipelines import events as ev
from pipelines.errors import ModelError
from pipelines.models.ports import (
    Audio,
    EmotionRecognizer,
    OverlapDetector,
    SentimentAnalyzer,
    SpeakerEncoder,
    SpeechToText,
    Transcript,
    TurnDetector,
    VoiceActivity,
)
from pipelines.replay.dump import Dump
from pipelines.units import MS

Speak = Callable[[do.Synthesize], Iterable[bytes]]
"""Speaks a chunk: pieces of audio in the call's outbound format."""


class Latency(msgspec.Struct, frozen=True):
    """Microseconds that each kind of answer takes when runs are not timed: the same run gives the same decisions."""

    window: int = 5 * MS
    judgement: int = 80 * MS
    overlap: int = 5 * MS
    transcript: int = 300 * MS
    token: int = 300 * MS
    sound: int = 100 * MS


class Judges(msgspec.Struct, frozen=True):
    """Models that a call can do without."""

    turn: TurnDetector | None = None
    overlap: OverlapDetector | None = None
    emotion: EmotionRecognizer | None = None
    sentiment: SentimentAnalyzer | None = None
    speaker: SpeakerEncoder | None = None


class _Stopwatch:
    """Time of real work, or a fixed one. `clock` counts microseconds, None for fixed."""

    def __init__(self, clock: Callable[[], int] | None) -> None:
        self._clock = clock

    def start(self) -> int:
        return self._clock() if self._clock else 0

    def since(self, start: int, fixed: int) -> int:
        return self._clock() - start if self._clock else fixed


class AgentPart(Protocol):
    """The agent of a run: as in `Answers`."""

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event | None], None, None]: ...

    def commit(self, action: do.CommitReply) -> None: ...

    def forget(self, action: do.ForgetReply) -> None: ...

    def remember(self, action: do.Remember) -> None: ...

    def notice(self, action: do.Notice) -> None: ...


class FixedPace:
    """An agent whose events all come at one time after the question, however long they took."""

    def __init__(self, agent: AgentPart, after_us: int = Latency().token) -> None:
        self._agent, self._after_us = agent, after_us

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event | None], None, None]:
        with closing(self._agent.reply(action)) as events:
            for _, event in events:
                yield self._after_us, event

    def commit(self, action: do.CommitReply) -> None:
        self._agent.commit(action)

    def forget(self, action: do.ForgetReply) -> None:
        self._agent.forget(action)

    def remember(self, action: do.Remember) -> None:
        self._agent.remember(action)

    def notice(self, action: do.Notice) -> None:
        self._agent.notice(action)


class RecordedAgent:
    """Says what the recorded agent said, at the pace at which it said it.

    Which of its replies: the one whose question is most like what was heard now, of those not yet used if there are
    any; with none alike, the oldest.
    """

    def __init__(self, dump: Dump) -> None:
        replies: list[_RecordedReply] = []
        current: dict[int, _RecordedReply] = {}
        for step in dump.steps:
            event = step.event
            reply = current.get(getattr(event, "reply", -1))
            if reply is not None and isinstance(event, _OF_AGENT):
                reply.events.append((step.at - reply.at, event))
            elif isinstance(event, ev.ModelFailed) and event.port == "agent" and event.request in current:
                current[event.request].failed = event.reason
            for action in step.actions:
                if isinstance(action, do.StartReply):
                    current[action.reply] = _RecordedReply(step.at, action.text)
                    replies.append(current[action.reply])
                elif isinstance(action, do.ForgetReply) and action.reply in current:
                    replies.remove(current.pop(action.reply))
        self._replies = [reply for reply in replies if reply.events or reply.failed]
        self.guessed = 0
        """Replies to questions that nobody asked in the recording."""

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event], None, None]:
        if not self._replies:
            return
        best = max(self._replies, key=lambda reply: (not reply.used, _likeness(reply.question, action.text), -reply.at))
        best.used = True
        self.guessed += best.question != action.text
        try:
            for took, event in best.events:
                yield took, msgspec.structs.replace(event, reply=action.reply)
            if best.failed:
                raise ModelError(best.failed)
        except GeneratorExit:
            best.used = False  # cancelled: the caller went on, and the question is still to come
            raise

    def commit(self, action: do.CommitReply) -> None:
        """What was recorded was committed."""

    def forget(self, action: do.ForgetReply) -> None:
        """A draft leaves no trace."""

    def remember(self, action: do.Remember) -> None:
        """A recording does not change its mind."""

    def notice(self, action: do.Notice) -> None:
        """Whatever it is told."""


_OF_AGENT = (
    ev.ReplyDelta,
    ev.ReplyFinished,
    ev.ToolExpected,
    ev.ToolStarted,
    ev.ToolFinished,
    ev.HangUpRequested,
    ev.TransferRequested,
    ev.DigitsRequested,
    ev.DigitsExpected,
)


class _RecordedReply:
    def __init__(self, at: int, question: str) -> None:
        self.at, self.question = at, question
        self.events: list[tuple[int, ev.Event]] = []
        self.used = False
        self.failed = ""


def _likeness(one: str, other: str) -> float:
    return SequenceMatcher(None, one.lower().split(), other.lower().split(), autojunk=False).ratio()


def recorded_speech(dump: Dump) -> dict[str, list[tuple[int, bytes]]]:
    """Audio of every chunk that was synthesized to its end, by its text: (microseconds since the voice took the request up, piece). A voice does one
    thing at a time: what a request waited for others is not counted, a run has it wait by itself."""
    asked: dict[tuple[int, int], tuple[int, str]] = {}
    pieces: dict[tuple[int, int], list[tuple[int, bytes]]] = {}
    whole: dict[str, list[tuple[int, bytes]]] = {}
    free = 0
    for step in dump.steps:
        event = step.event
        if isinstance(event, ev.SpeechSynthesized) and (event.reply, event.chunk) in asked:
            key = (event.reply, event.chunk)
            at, text = asked[key]
            if key not in pieces:
                at = max(at, free)
                asked[key] = at, text
            pieces.setdefault(key, []).append((step.at - at, event.audio))
            if event.last:
                whole[text] = pieces[key]
                free = step.at
        for action in step.actions:
            if isinstance(action, do.Synthesize):
                asked[action.reply, action.chunk] = step.at, action.text
    return whole


def _likeliest(probabilities: dict[str, float]) -> tuple[str, float]:
    return max(probabilities.items(), key=lambda item: item[1])


class ModelAnswers:
    """`Answers` by real models. Speech that was recorded is taken from the recording; the rest is spoken by `speak`."""

    def __init__(
        self,
        voice_activity: VoiceActivity,
        speech_to_text: SpeechToText,
        agent: AgentPart,
        languages: tuple[str, ...],
        *,
        speak: Speak | None = None,
        spoken: dict[str, list[tuple[int, bytes]]] | None = None,
        clock: Callable[[], int] | None = None,
        latency: Latency | None = None,
        judges: Judges | None = None,
        hot_words: str = "",
    ) -> None:
        """`clock`: counts real microseconds, to give every answer the time that it really took; None: `latency`."""
        self._voice_activity = voice_activity
        self._state = voice_activity.initial_state()
        self._speech_to_text = speech_to_text
        self._agent = agent
        self._languages = languages
        self._speak = speak
        self._spoken = spoken or {}
        self._stopwatch = _Stopwatch(clock)
        self._latency = latency or Latency()
        self._judges = judges or Judges()
        self._hot_words = hot_words

    def analyze(self, action: do.AnalyzeWindow, audio: Audio) -> tuple[int, float]:
        start = self._stopwatch.start()
        (p_speech,), (self._state,) = self._voice_activity.analyze([audio], [self._state])
        return self._stopwatch.since(start, self._latency.window), p_speech

    def transcribe(self, action: do.Transcribe, audio: Audio) -> tuple[int, Transcript]:
        start = self._stopwatch.start()
        languages = (action.language,) if action.language else self._languages
        said = self._speech_to_text.transcribe(
            audio, languages=languages, final=action.final, hot_words=self._hot_words
        )
        return self._stopwatch.since(start, self._latency.transcript), said

    def judge(self, action: do.JudgeTurn, audio: Audio) -> tuple[int, float] | None:
        if self._judges.turn is None:
            return None
        start = self._stopwatch.start()
        p_end = self._judges.turn.p_end(audio)
        return self._stopwatch.since(start, self._latency.judgement), p_end

    def judge_overlap(self, action: do.JudgeOverlap, audio: Audio) -> tuple[int, float] | None:
        if self._judges.overlap is None:
            return None
        start = self._stopwatch.start()
        p = self._judges.overlap.p_interruption(audio)
        return self._stopwatch.since(start, self._latency.overlap), p

    def perceive(self, action: do.Perceive, audio: Audio) -> list[tuple[int, ev.Event]]:
        asked: list[Callable[[], ev.Event]] = []
        if (emotion := self._judges.emotion) is not None:
            asked.append(lambda: ev.EmotionHeard(action.request, *_likeliest(emotion.recognize(audio))))
        if (speaker := self._judges.speaker) is not None:
            asked.append(lambda: ev.VoiceHeard(action.request, speaker.embed(audio).astype("<f2").tobytes()))
        return [self._judged(ask) for ask in asked]

    def appraise(self, action: do.Appraise) -> list[tuple[int, ev.Event]]:
        if (sentiment := self._judges.sentiment) is None:
            return []
        read = sentiment.analyze
        return [self._judged(lambda: ev.SentimentRead(action.turn, *_likeliest(read(action.text, action.language))))]

    def _judged(self, ask: Callable[[], ev.Event]) -> tuple[int, ev.Event]:
        start = self._stopwatch.start()
        event = ask()
        return self._stopwatch.since(start, self._latency.judgement), event

    def notice(self, action: do.Notice) -> None:
        self._agent.notice(action)

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event | None], None, None]:
        return self._agent.reply(action)

    def commit(self, action: do.CommitReply) -> None:
        self._agent.commit(action)

    def forget(self, action: do.ForgetReply) -> None:
        self._agent.forget(action)

    def synthesize(self, action: do.Synthesize) -> Iterator[tuple[int, bytes]]:
        recorded = self._spoken.get(action.text)
        if recorded is not None:
            yield from recorded
            return
        if self._speak is None:
            raise ModelError("the recording has no audio for this text: choose a voice")
        start = self._stopwatch.start()
        for audio in self._speak(action):
            yield self._stopwatch.since(start, self._latency.sound), audio

    def remember(self, action: do.Remember) -> None:
        self._agent.remember(action)
