"""The recording as models: a call that decides otherwise is answered with what the recording knows, without any model.

Answers are found again by what they were about, not by when they were asked for: a window by its place, words by the stretch of the
caller's audio that they are the words of, a reply by its question, speech by its text. What the recording cannot know is guessed from
what is nearest, and counted, so that whoever reads the outcome knows how much of it is guessed:

* words of a stretch that was never recognised: those of the recorded stretches that it is made of; of the nearest one, where there are
  none, without the words that were said before it;
* speech of a text that was never spoken: silence, as long as this voice would take;
* a reply to a question that was never asked: that to the likest question (`RecordedAgent`).
"""

from bisect import bisect_right
from collections import Counter
from collections.abc import Generator, Iterable
from typing import Any

import msgspec

from pipelines import actions as do
from pipelines import events as ev
from pipelines.errors import ModelError
from pipelines.models.ports import Audio, Transcript
from pipelines.replay.answers import Latency, RecordedAgent, recorded_speech
from pipelines.replay.dump import Dump
from pipelines.units import MS

_SAME = 1_600  # media samples, 100 ms: two stretches whose ends differ by less have the same words
_LETTER_US = 65 * MS  # of speech, where the recording has none to measure by


class _Heard(msgspec.Struct, frozen=True):
    """What was recognised in media samples [first, last). `text`: None when the recogniser failed."""

    first: int
    last: int
    final: bool
    attempt: int
    took: int
    text: str | None
    language: str
    p_language: float

    def overlap(self, first: int, last: int) -> float:
        """Intersection over union, 0 to 1."""
        common = min(self.last, last) - max(self.first, first)
        return max(0, common) / (max(self.last, last) - min(self.first, first) or 1)


class RecordedAnswers:
    """`virtual.Answers` out of the dump alone."""

    def __init__(self, dump: Dump) -> None:
        self._windows = _windows(dump)
        self._firsts = sorted(self._windows)
        self._heard = _transcripts(dump)
        self._judged = _judgements(dump)
        self._overlaps = _overlap_judgements(dump)
        self._perceived = _perceptions(dump)
        self._appraised = _appraisals(dump)
        self._agent = RecordedAgent(dump)
        self._spoken = recorded_speech(dump)
        self._unspeakable = _unspeakable(dump) - set(self._spoken)
        self._outbound = dump.meta.outbound
        self._letter_us = self._measured_letter()
        self._guessed: Counter[str] = Counter()

    @property
    def guessed(self) -> dict[str, int]:
        """How many answers the recording did not know: "words", "speech", "replies"."""
        counted = self._guessed + Counter(replies=self._agent.guessed)
        return dict(sorted(counted.items()))

    def analyze(self, action: do.AnalyzeWindow, audio: Audio) -> tuple[int, float]:
        """A window that was lost sounds like the one before it; after the recording there is silence."""
        if action.first in self._windows:
            return self._windows[action.first]
        before = bisect_right(self._firsts, action.first)
        lost = 0 < before < len(self._firsts)
        return Latency().window, self._windows[self._firsts[before - 1]][1] if lost else 0.0

    def transcribe(self, action: do.Transcribe, audio: Audio) -> tuple[int, Transcript]:
        same = [
            one for one in self._heard if abs(one.first - action.first) < _SAME and abs(one.last - action.last) < _SAME
        ]
        if same:
            best = min(same, key=lambda one: self._distance(one, action))
            if best.text is None and best.attempt == action.attempt:
                raise ModelError("as in the recording")
            if best.text is not None:
                return best.took, Transcript(best.text, best.language, best.p_language)
        self._guessed["words"] += 1
        return self._from_others(action)

    @staticmethod
    def _distance(one: _Heard, action: do.Transcribe) -> tuple[bool, bool, int]:
        ends = abs(one.first - action.first) + abs(one.last - action.last)
        return one.attempt != action.attempt, one.final != action.final, ends

    def _from_others(self, action: do.Transcribe) -> tuple[int, Transcript]:
        known = [one for one in self._heard if one.text is not None]
        near = [one for one in known if one.overlap(action.first, action.last) > 0]
        if not near:
            return Latency().transcript, Transcript("", action.language, 0.0)
        made_of = _cover([one for one in near if one.final], action.first, action.last)
        if made_of:
            text = " ".join(one.text for one in made_of if one.text)
            return made_of[-1].took, Transcript(text, made_of[0].language, made_of[0].p_language)
        best = max(near, key=lambda one: (one.overlap(action.first, action.last), one.final))
        before = [
            one for one in known if one.first <= best.first + _SAME and best.first < one.last <= action.first + _SAME
        ]
        earlier = max(before, key=lambda one: one.last, default=None)
        words = (best.text or "").split()
        said = len((earlier.text or "").split()) if earlier is not None and action.first > best.first + _SAME else 0
        return best.took, Transcript(" ".join(words[said:]), best.language, best.p_language)

    def judge(self, action: do.JudgeTurn, audio: Audio) -> tuple[int, float] | None:
        return _nearest(self._judged, action.first, action.last)

    def judge_overlap(self, action: do.JudgeOverlap, audio: Audio) -> tuple[int, float] | None:
        return _nearest(self._overlaps, action.first, action.last)

    def perceive(self, action: do.Perceive, audio: Audio) -> list[tuple[int, ev.Event]]:
        answers = [_nearest(spans, action.first, action.last) for spans in self._perceived.values()]
        return [(took, msgspec.structs.replace(event, request=action.request)) for took, event in filter(None, answers)]

    def appraise(self, action: do.Appraise) -> list[tuple[int, ev.Event]]:
        known = self._appraised.get(action.text)
        return [(known[0], msgspec.structs.replace(known[1], turn=action.turn))] if known else []

    def notice(self, action: do.Notice) -> None:
        """A recording does not change its mind."""

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event | None], None, None]:
        return self._agent.reply(action)

    def commit(self, action: do.CommitReply) -> None:
        self._agent.commit(action)

    def forget(self, action: do.ForgetReply) -> None:
        self._agent.forget(action)

    def remember(self, action: do.Remember) -> None:
        self._agent.remember(action)

    def synthesize(self, action: do.Synthesize) -> Iterable[tuple[int, bytes]]:
        if action.text in self._spoken:
            return self._spoken[action.text]
        if action.text in self._unspeakable:
            raise ModelError("as in the recording")
        self._guessed["speech"] += 1
        length = len(action.text) * self._letter_us // 1_000
        return [(Latency().sound, self._outbound.silence(self._outbound.bytes_in(length)))]

    def _measured_letter(self) -> int:
        letters = sum(map(len, self._spoken))
        whole = sum(self._outbound.duration_us(len(audio)) for pieces in self._spoken.values() for _, audio in pieces)
        return whole // letters if letters else _LETTER_US


def _cover(finals: list[_Heard], first: int, last: int) -> list[_Heard]:
    """Stretches one after another from `first` on, as long as they can be had; none when they leave words at the end out."""
    chosen: list[_Heard] = []
    at = first
    while True:
        following = [
            one for one in finals if one.first >= at - _SAME and one.last <= last + _SAME and one.last > at + _SAME
        ]
        if not following:
            break
        start = min(one.first for one in following)
        best = max((one for one in following if one.first < start + _SAME), key=lambda one: one.last)
        chosen.append(best)
        at = best.last
    reached = at >= last - _SAME or not any(one.last > at + _SAME for one in finals)
    return chosen if reached else []


def _nearest(answers: dict[tuple[int, int], tuple[int, Any]], first: int, last: int) -> tuple[int, Any] | None:
    """The answer about (nearly) the same stretch."""
    for (one, other), answer in answers.items():
        if abs(one - first) < _SAME and abs(other - last) < _SAME:
            return answer
    return None


# ---- out of the dump


def _windows(dump: Dump) -> dict[int, tuple[int, float]]:
    asked = {action.first: at for at, action in dump.actions(do.AnalyzeWindow)}
    return {e.first: (at - asked.get(e.first, at), e.p_speech) for at, e in dump.events(ev.WindowAnalyzed)}


def _transcripts(dump: Dump) -> list[_Heard]:
    """In order. A recogniser does one thing at a time: what a request waited for others is not counted."""
    asked = {action.request: (at, action) for at, action in dump.actions(do.Transcribe)}
    heard: list[_Heard] = []
    free = 0
    for at, event in dump.events(ev.TranscriptReady, ev.ModelFailed):
        if event.request not in asked or (isinstance(event, ev.ModelFailed) and event.port != "stt"):
            continue
        since, action = asked[event.request]
        took, free = at - max(since, free), at
        text, language, p = (
            (event.text, event.language, event.p_language) if isinstance(event, ev.TranscriptReady) else (None, "", 0.0)
        )
        heard.append(_Heard(action.first, action.last, action.final, action.attempt, took, text, language, p))
    return heard


def _judgements(dump: Dump) -> dict[tuple[int, int], tuple[int, float]]:
    asked = {action.request: (at, action) for at, action in dump.actions(do.JudgeTurn)}
    known = ((at, event, *asked[event.request]) for at, event in dump.events(ev.TurnJudged) if event.request in asked)
    return {(action.first, action.last): (at - since, event.p_end) for at, event, since, action in known}


def _overlap_judgements(dump: Dump) -> dict[tuple[int, int], tuple[int, float]]:
    asked = {action.last: (at, action) for at, action in dump.actions(do.JudgeOverlap)}
    known = ((at, event, *asked[event.last]) for at, event in dump.events(ev.OverlapJudged) if event.last in asked)
    return {(action.first, action.last): (at - since, event.p) for at, event, since, action in known}


def _perceptions(dump: Dump) -> dict[type[ev.Event], dict[tuple[int, int], tuple[int, ev.Event]]]:
    asked = {action.request: (at, action) for at, action in dump.actions(do.Perceive)}
    known: dict[type[ev.Event], dict[tuple[int, int], tuple[int, ev.Event]]] = {}
    for at, event in dump.events(ev.EmotionHeard, ev.VoiceHeard):
        if event.request in asked:
            since, action = asked[event.request]
            known.setdefault(type(event), {})[action.first, action.last] = at - since, event
    return known


def _appraisals(dump: Dump) -> dict[str, tuple[int, ev.Event]]:
    asked = {action.turn: (at, action.text) for at, action in dump.actions(do.Appraise)}
    answered = ((at, event) for at, event in dump.events(ev.SentimentRead) if event.turn in asked)
    return {asked[event.turn][1]: (at - asked[event.turn][0], event) for at, event in answered}


def _unspeakable(dump: Dump) -> set[str]:
    """Texts that the voice failed on."""
    asked = {(action.reply, action.chunk): action.text for _, action in dump.actions(do.Synthesize)}
    failed = ((e.reply, e.request) for _, e in dump.events(ev.ModelFailed) if e.port == "tts")
    return {asked[key] for key in failed if key in asked}
