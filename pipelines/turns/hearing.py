"""The caller's turn in progress: its stretches of speech, their transcripts, and whether he is taken to be done.

A turn is one or more segments, each recognised as a whole. A dip asks for the final transcript of its segment, ahead of the pause that
it may become; if the caller goes on, the segment grows and is recognised again, so the words do not depend on where he breathed. So it
does when his turn was taken too soon and is not answered yet. Only speech longer than `segment_us` is cut, at its quietest window.
"""

from typing import NamedTuple

from pipelines.actions import Action, CancelDeadline, CaptionUpdated, JudgeTurn, Perceive, SetDeadline, Transcribe
from pipelines.events import TranscriptReady, TurnJudged
from pipelines.turns.asked import Asked
from pipelines.turns.endpointing import silence_wanted
from pipelines.turns.policy import CallSettings
from pipelines.turns.transcript import Agreement, beyond
from pipelines.units import SAMPLE_RATE, ms_to_samples, us_to_samples

ENDPOINT, TURN_LIMIT = "endpoint", "turn_limit"
"""Names of deadlines: the silence that ends the turn has passed; the turn has lasted as long as one may."""

_TAIL = ms_to_samples(128)  # of the pause, given to the recogniser with the words
_QUIET = ms_to_samples(3_000)  # the end of an overlong segment in which its quietest window is looked for
_JUDGED = ms_to_samples(8_000)  # the end of a turn by which its sound is judged
_FELT = ms_to_samples(800)  # with the audio before and after the words; in less no feeling can be heard
_SHORT = ms_to_samples(1_200)  # too little to tell the language by


class _Segment:
    __slots__ = ("attempt", "first", "foreign", "last", "overheard", "request", "text")

    def __init__(self, first: int) -> None:
        self.first, self.last = first, first
        self.request = -1
        self.attempt = 0
        self.text: str | None = None
        self.foreign = ""  # who said it, if not the caller
        self.overheard = ""  # and what


class _Taken(NamedTuple):
    """A turn that was taken: `text` of all, `before` its last segment, which is media samples `first` to `end` and said `last`."""

    text: str
    before: str
    first: int
    end: int
    last: str


class Hearing:
    """Everything known of what the caller is saying. Samples are media samples, `at` is call time in microseconds."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._preroll = us_to_samples(settings.preroll_us)
        self._segment_limit = us_to_samples(settings.segment_us)
        self._requests = 0
        self._early = -1  # request of the transcript that a dip asked for, while it is not answered
        self.language = settings.languages[0]
        self._language_known = False
        self._taken: _Taken | None = None
        self.reset()

    def reset(self) -> None:
        """Forget the turn: it was taken, or it was no turn."""
        self._before = ""  # what he said in the turn before, which was taken too soon
        self._again = ""  # what he was heard to say then in that part of it which is recognised again, with this turn
        self._segments: list[_Segment] = []
        self._agreement = Agreement()
        self._partial = -1  # request of the partial under way
        self._partial_at = 0
        self._looked_to = -1  # end of the speech that the last look was at
        self._same = False  # whether the look under way is at no more of it
        self.partial = ""
        """What he is heard to say in this stretch of speech, while he speaks."""
        self._quietest = (2.0, 0)
        self.speaking = False
        self.started_at = 0
        self.ended_at = 0
        """Call time of the caller's last word so far."""
        self.endpoint_at: int | None = None
        """Call time at which the turn may be taken; None while he speaks or while the words are not known."""
        self._p_end: float | None = None  # of `TurnJudged`, about the last segment as it is now
        self._passed = False
        self._forced = False

    # ---- speech

    def begin(self, first: int, said_at: int, at: int) -> list[Action]:
        """Speech starts (again) at media sample `first`, said at call time `said_at`."""
        self.speaking = True
        self.endpoint_at, self._passed = None, False
        self._partial_at = at
        last = self._segments[-1] if self._segments else None
        if last is None:
            self.started_at = said_at
        if last is not None and first - last.first < self._segment_limit:
            last.text, last.request, last.attempt, last.foreign = None, -1, 0, ""
        else:
            heard_to = last.last if last else self._taken.end if self._taken else 0
            self._open(max(first - self._preroll, heard_to))
        return [CancelDeadline(ENDPOINT)] if last is not None else []

    def _open(self, first: int) -> None:
        self._segments.append(_Segment(first))
        self._agreement = Agreement()
        self._partial = -1
        self.partial = ""
        self._quietest = (2.0, first)

    def continue_to(self, end: int, p_speech: float, at: int) -> list[Action]:
        """The caller is still speaking at media sample `end`: a partial may be due, an overlong segment is cut."""
        segment = self._segments[-1]
        if p_speech >= self._settings.speech_off:  # the dip was none
            segment.request, segment.text = -1, None
            due = at - self._partial_at >= self._settings.partial_every_us
        else:
            due = False  # should it be the end, the whole is asked for in a moment
        length = end - segment.first
        if length > self._segment_limit - _QUIET and p_speech < self._quietest[0]:
            self._quietest = (p_speech, end)
        if length > self._segment_limit:
            segment.last = self._quietest[1]
            actions = self._final(segment)
            self._open(segment.last)
            return actions
        if due and self._partial < 0 and self._early < 0:
            self._partial, self._partial_at = self._next_request(), at
            return [Transcribe(self._partial, segment.first, end, False, self._language_for(length))]
        return []

    def listen_closely(self, at: int) -> None:
        """He speaks over the agent: his words are wanted as soon as there may be any."""
        self._partial_at = at - self._settings.overlap_look_us

    def look(self, end: int, last: int, at: int) -> list[Action]:
        """The caller is speaking over the agent at media sample `end`, or was up to `last`: what does he say?"""
        if self._partial >= 0 or at - self._partial_at < self._settings.overlap_look_us:
            return []
        segment = self._segments[-1]
        self._partial, self._partial_at = self._next_request(), at
        self._same, self._looked_to = last == self._looked_to, last
        return [Transcribe(self._partial, segment.first, end, False, self._language_for(end - segment.first))]

    def pause(self, last: int, said_at: int, end: int) -> list[Action]:
        """Speech stopped at media sample `last`, said at call time `said_at`; audio up to `end` is there."""
        self.speaking = False
        self._partial = -1  # the final replaces it, answered or not
        self.ended_at = said_at
        asked = self._segments[-1].request >= 0  # by a dip
        actions = self._settle() if asked else self._ask(last, end)
        if self._settings.judge_turns:
            first = max(self._segments[0].first, end - _JUDGED)
            actions.append(JudgeTurn(self._segments[-1].request, first, max(end, first + 1)))
        return actions

    def dip(self, last: int, end: int) -> list[Action]:
        """The caller may have finished at media sample `last`; audio up to `end` is there. One such question at a time."""
        if not self.speaking or self._early >= 0 or self._segments[-1].request >= 0:
            return []
        actions = self._ask(last, end)
        self._early = self._segments[-1].request
        return actions

    def _ask(self, last: int, end: int) -> list[Action]:
        segment = self._segments[-1]
        segment.last = max(min(last + _TAIL, end), segment.first + 1)
        self._p_end = None
        return self._final(segment)

    def _final(self, segment: _Segment) -> list[Action]:
        segment.request, segment.text = self._next_request(), None
        first, last = segment.first, segment.last
        language = self._language_for(last - first)
        actions: list[Action] = [Transcribe(segment.request, first, last, True, language, segment.attempt)]
        if self._settings.perceives and not segment.attempt and last - first >= _FELT:
            actions.append(Perceive(segment.request, first, last))
        return actions

    def _next_request(self) -> int:
        self._requests += 1
        return self._requests

    def _language_for(self, length: int) -> str:
        if len(self._settings.languages) == 1:
            return self._settings.languages[0]
        return self.language if self._language_known and length < self._preroll + _SHORT else ""

    # ---- words

    def transcribed(self, event: TranscriptReady) -> list[Action]:
        """A transcript came. Stale ones (the caller went on, the turn was taken) are dropped by their number."""
        early, self._early = self._early, -1 if event.request == self._early else self._early
        segment = self._segment(event.request)
        if event.request == self._partial or (event.request == early and segment is None and self.speaking):
            self._partial = -1
            self.partial = event.text
            if not self._same:  # the same sound, with more silence behind it, would agree with itself
                self._agreement.update(event.text)
            self._same = False
            before = " ".join(s.text for s in self._segments[:-1] if s.text)
            committed = " ".join(filter(None, (before, *self._agreement.committed)))
            return [CaptionUpdated(committed, " ".join(self._agreement.tentative), event.language)]
        if segment is None:
            return []
        segment.text = event.text.strip()
        if segment.foreign:
            segment.overheard, segment.text = segment.text, ""
        believed = event.language in self._settings.languages and event.p_language >= self._settings.p_language
        if segment.text and believed:
            self.language, self._language_known = event.language, True
        return self._settle()

    def leave_out(self, request: int, speaker: str) -> list[Action]:
        """What that request is about was not said by the caller, but by `speaker`."""
        segment = self._segment(request)
        if segment is None:
            return []
        segment.foreign = speaker
        if segment.text is None:
            return []
        segment.overheard, segment.text = segment.text, ""
        return self._settle()

    @property
    def overheard(self) -> list[tuple[int, int, str, str]]:
        """What others said in this turn: from and to which media sample, who, and the words."""
        return [
            (min(s.first + self._preroll, s.last), s.last - _TAIL, s.foreign, s.overheard)
            for s in self._segments
            if s.foreign and s.overheard
        ]

    def seconds(self, request: int) -> float:
        """How long the stretch of speech lasts that a request is about; 0 when it is no longer of interest."""
        segment = self._segment(request)
        return 0.0 if segment is None else (segment.last - segment.first) / SAMPLE_RATE

    def _segment(self, request: int) -> _Segment | None:
        return next((segment for segment in self._segments if segment.request == request), None)

    def judged(self, event: TurnJudged) -> list[Action]:
        """The sound of his last words was judged."""
        if not self._segments or self._segments[-1].request != event.request or self._passed:
            return []
        self._p_end = event.p_end
        return self._settle()

    def _settle(self) -> list[Action]:
        """Choose how long a silence ends the turn, once he has paused and his words are known."""
        if self.speaking or not self.known:
            return []
        self.endpoint_at = self.ended_at + (0 if self._forced else self._wanted)
        self._passed = False
        return [SetDeadline(ENDPOINT, self.endpoint_at)]

    @property
    def _wanted(self) -> int:
        return silence_wanted(self.text, self.language, self._settings, self._p_end)

    @property
    def agreed(self) -> int:
        """How many words of this stretch of speech were heard the same twice in a row."""
        return len(self._agreement.committed)

    def retry(self, request: int) -> list[Action] | None:
        """A transcript failed: ask again, or None when all attempts are used up. [] if nobody waits for it."""
        if request == self._early:
            self._early = -1
        if request == self._partial:
            self._partial = -1
            return []
        segment = self._segment(request)
        if segment is None:
            return []
        segment.attempt += 1
        if segment.attempt >= self._settings.stt_attempts:
            return None
        return self._final(segment)

    @property
    def known(self) -> bool:
        """Whether every segment has its final transcript."""
        return bool(self._segments) and all(s.text is not None for s in self._segments)

    @property
    def sounds_complete(self) -> bool:
        """Whether what he has said by now, pause or dip, may be all: then it is worth preparing an answer."""
        return self.known and bool(self.text) and self._wanted < self._settings.endpoint_unsure_us

    @property
    def text(self) -> str:
        """What he wants answered."""
        words = self._words
        return f"{self._before} {words}" if self._before and words else words

    @property
    def said(self) -> str:
        """What he said in this turn."""
        return beyond(self._again, self._words)

    @property
    def _words(self) -> str:
        return " ".join(s.text for s in self._segments if s.text) or self._again

    def join(self, before: str) -> list[Action]:
        """The turn before was taken too soon, and is not answered yet: this one goes on with it, and is recognised with the end of it, unless that
        is too long. Not where others are to be told from the caller: a voice is one segment's."""
        self._before = before
        taken, segment = self._taken, self._segments[0]
        if taken is None or taken.text != before or self._settings.follow or len(self._segments) > 1:
            return []
        if segment.first - taken.first >= self._segment_limit - _QUIET:  # a place to cut it would not be left
            return []
        self._before, self._again = taken.before, taken.last
        segment.first, segment.text, segment.request, segment.attempt = taken.first, None, -1, 0
        return [] if self.speaking else self._final(segment)

    @property
    def open(self) -> bool:
        """Whether a turn is in progress: something was said that has not been answered or dismissed."""
        return bool(self._segments)

    # ---- the end of the turn

    def monologue(self, at: int) -> bool:
        """Whether he has talked for so long, in words, that he may be cut in on; once a turn."""
        settings = self._settings
        long = self.speaking and at - self.started_at >= settings.monologue_us and not self._forced
        return long and bool(self.partial or self.said) and bool(settings.phrases[self.language].cut_in)

    def wait_for_onset(self, at: int) -> list[Action]:
        """The silence that was wanted has passed, but he may just be going on: wait until that is known, if it is soon."""
        later = (self.endpoint_at or at) + self._settings.min_speech_us
        return [SetDeadline(ENDPOINT, later)] if at < later else []

    def endpoint_reached(self) -> None:
        """The silence that was wanted has passed."""
        self._passed = self.endpoint_at is not None

    def force(self) -> list[Action]:
        """Take the turn as soon as its words are known, whatever silence was wanted."""
        self._forced = True
        if not self.known or self.speaking:
            return []
        self.endpoint_at = self.ended_at
        self._passed = True
        return [CancelDeadline(ENDPOINT)]

    def take(self, at: int) -> Asked:
        """The turn is taken (`text` is empty if it was no turn): what was asked, and nothing of it is kept."""
        endpoint_at = self.endpoint_at or at
        asked = Asked(self.text, self.said, self.language, self.started_at, self.ended_at, endpoint_at)
        if self._segments:
            *others, last = self._segments
            before = " ".join(filter(None, (self._before, *(s.text for s in others))))
            self._taken = _Taken(asked.text, before, last.first, last.last, last.text or "")
        self.reset()
        return asked

    @property
    def complete(self) -> bool:
        """Whether the turn can be taken."""
        return self._passed and self.known and not self.speaking
