"""Virtual time: a recorded caller is put through the machine again, and models answer anew.

What the caller did (his audio, his keys, his hanging up) happens when it happened. What depends on the machine is
worked out: deadlines pass when they are due, marks return when a simulated ear reaches them, and a model's answer
arrives as long after its request as the model says it took. Nothing waits, so an hour of calls takes what the models
take.

    recorded caller --+
    deadlines, ear ---+--> earliest first --> Call.receive --> actions --> deadlines, ear, models --+
    models' answers --+                                                                            |
          ^----------------------------------------------------------------------------------------+
"""

import heapq
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Protocol

import msgspec

from pipelines import actions as do
from pipelines import events as ev
from pipelines.call import Call
from pipelines.errors import ModelError
from pipelines.models.ports import Audio, Transcript
from pipelines.replay.dump import Dump, Step
from pipelines.replay.ear import Ear
from pipelines.turns.policy import CallSettings
from pipelines.units import PTIME_MS, PTIME_US, SECOND

_SETTLE = 3 * SECOND  # of silence after everything was said, before a recorded caller is taken to have hung up
_TAIL_LIMIT = 120 * SECOND
_OURS = {"agent", "transfer", "limit", "silence", "failed"}  # endings that were the machine's own decision


class Answers(Protocol):
    """The models, one call each. Every answer comes with the microseconds from request to answer."""

    def analyze(self, action: do.AnalyzeWindow, audio: Audio) -> tuple[int, float]: ...

    def transcribe(self, action: do.Transcribe, audio: Audio) -> tuple[int, Transcript]: ...

    def judge(self, action: do.JudgeTurn, audio: Audio) -> tuple[int, float] | None:
        """None where nobody judges."""
        ...

    def judge_overlap(self, action: do.JudgeOverlap, audio: Audio) -> tuple[int, float] | None: ...

    def perceive(self, action: do.Perceive, audio: Audio) -> list[tuple[int, ev.Event]]:
        """Of the models that there are; so for sentiment."""
        ...

    def appraise(self, action: do.Appraise) -> list[tuple[int, ev.Event]]: ...

    def notice(self, action: do.Notice) -> None: ...

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event | None], None, None]:
        """The agent's events; `ReplyFinished` only from who knows when, else it follows the last. The next is asked for when the one before has happened, so that a
        cancelled reply, whose generator is closed, does no more than it would in a call. No event: a speculative reply
        that cannot go on without its commit."""
        ...

    def commit(self, action: do.CommitReply) -> None: ...

    def forget(self, action: do.ForgetReply) -> None: ...

    def synthesize(self, action: do.Synthesize) -> Iterable[tuple[int, bytes]]:
        """Pieces of audio in the outbound format."""
        ...

    def remember(self, action: do.Remember) -> None: ...


def run(
    dump: Dump,
    answers: Answers,
    settings: CallSettings | None = None,
    progress: Callable[[int], None] = lambda at: None,
) -> Dump:
    """Put the caller of `dump` through a call with `settings` (default: the recorded ones) and `answers` for models.

    Where the recorded call was ended by the machine, the new run decides anew: the caller stays on the line in silence
    until it ends the call, or until everything was said and three seconds have passed. `progress` is told the call time
    of each step.
    """
    return _Run(dump, answers, settings or dump.meta.settings).run(progress)


class _Worker:
    """A model that does one thing at a time. What waits (with its audio, as it was when asked) goes by age, but finals
    before partials; a newer partial replaces an older one, which is never answered."""

    def __init__(self) -> None:
        self.busy = False
        self._waiting: list[tuple[do.Transcribe | do.Synthesize, Audio | None]] = []

    def add(self, action: do.Transcribe | do.Synthesize, audio: Audio | None) -> None:
        if _partial(action):
            self._waiting = [one for one in self._waiting if not _partial(one[0])]
        self._waiting.append((action, audio))

    def take(self) -> tuple[do.Transcribe | do.Synthesize, Audio | None] | None:
        if not self._waiting:
            return None
        urgent = next((index for index, (action, _) in enumerate(self._waiting) if not _partial(action)), 0)
        return self._waiting.pop(urgent)


def _partial(action: do.Transcribe | do.Synthesize) -> bool:
    return isinstance(action, do.Transcribe) and not action.final


class _Run:
    def __init__(self, dump: Dump, answers: Answers, settings: CallSettings) -> None:
        self._meta = msgspec.structs.replace(dump.meta, settings=settings)
        self._answers = answers
        self._call = Call(settings)
        self._ear = Ear(dump.meta.outbound)
        self._steps: list[Step] = []
        self._queue: list[tuple[int, int, object]] = []  # call time, order of arrival, event or what stands for one
        self._order = 0
        self._deadlines: dict[str, int] = {}
        self._hearing, self._voice = _Worker(), _Worker()
        self._replies: dict[
            int, tuple[int, Generator[tuple[int, ev.Event | None], None, None]]
        ] = {}  # asked when, events
        self._held: dict[int, int] = {}  # replies that wait for their commit: microseconds after they were asked for
        self._cancelled: set[int] = set()
        self._working = 0  # workers that are busy
        self._ending = False
        self._caller = self._feed(dump)

    def run(self, progress: Callable[[int], None]) -> Dump:
        self._next_of_caller()
        while self._queue and not self._call.ended:
            at, _, item = heapq.heappop(self._queue)
            event = self._happened(at, item)
            if event is not None:
                progress(at)
                self._receive(at, event)
            if isinstance(item, _OfAgent) and not item.last and item.reply in self._replies:
                self._next_of_agent(at, item.reply)
        for reply in list(self._replies):
            self._cancel(reply)
        return Dump(self._meta, tuple(self._steps))

    # ---- what happens

    def _push(self, at: int, item: object) -> None:
        self._order += 1
        heapq.heappush(self._queue, (at, self._order, item))

    def _happened(self, at: int, item: object) -> ev.Event | None:
        """The event that a queued item turns out to be, or None when it was cancelled meanwhile."""
        if isinstance(item, _Deadline):
            if self._deadlines.get(item.name) != at:
                return None
            del self._deadlines[item.name]
            return ev.DeadlineReached(item.name)
        if isinstance(item, _MarkReached):
            if self._ear.mark_at is None or self._ear.mark_at > at:
                return None
            return ev.MarkReturned(self._ear.return_mark())
        if isinstance(item, _Answer):
            self._working -= item.last
            if item.last:
                item.worker.busy = False
                self._start(at, item.worker)
            return item.event
        if isinstance(item, _OfCaller):
            self._next_of_caller()
            return item.event
        if isinstance(item, _OfAgent):
            if item.reply not in self._replies:
                return None
            if item.last:
                _, events = self._replies.pop(item.reply)
                next(events, None)  # one that said itself that it is finished learns that this has happened
            return item.event
        assert isinstance(item, ev.Event)
        return item

    def _receive(self, at: int, event: ev.Event) -> None:
        actions = tuple(self._call.receive(at, event))
        self._steps.append(Step(at, event, actions))
        for action in actions:
            self._perform(at, action)

    # ---- the caller

    def _next_of_caller(self) -> None:
        upcoming = next(self._caller, None)
        if upcoming is not None:
            at, event = upcoming
            self._push(at, _OfCaller(event))

    def _feed(self, dump: Dump) -> Iterator[tuple[int, ev.Event]]:
        at, timestamp = 0, None
        for at, event in dump.events(ev.CallStarted, ev.MediaReceived, ev.DigitReceived, ev.CallEnded):
            if isinstance(event, ev.CallEnded):
                if event.reason in _OURS:
                    break
                yield at, event
                return
            if isinstance(event, ev.MediaReceived) and event.timestamp is not None:
                timestamp = event.timestamp + dump.meta.inbound.duration_us(len(event.payload)) // 1_000
            yield at, event
        silence = dump.meta.inbound.silence(dump.meta.inbound.bytes_in(PTIME_MS))
        limit, quiet_since = at + _TAIL_LIMIT, at
        while at < limit:
            at += PTIME_US
            if self._working or self._replies or self._ear.end > at:
                quiet_since = at
            if at - quiet_since > _SETTLE:
                break
            yield at, ev.MediaReceived(silence, timestamp)
            timestamp = None if timestamp is None else timestamp + PTIME_MS
        yield at, ev.CallEnded("caller")

    # ---- what is asked for

    def _perform(self, at: int, action: do.Action) -> None:
        if isinstance(action, do.SetDeadline):
            self._deadlines[action.name] = due = max(at, action.at)
            self._push(due, _Deadline(action.name))
        elif isinstance(action, do.CancelDeadline):
            self._deadlines.pop(action.name, None)
        elif isinstance(action, do.SendMedia | do.SendMark | do.ClearMedia):
            for name in self._ear.take(at, action):
                self._push(at, ev.MarkReturned(name, cleared=True))
            if isinstance(action, do.SendMark):
                self._push(max(at, self._ear.end), _MarkReached())
        elif isinstance(action, do.AnalyzeWindow):
            took, p_speech = self._answers.analyze(action, self._call.span(action.first, action.last))
            self._push(at + took, ev.WindowAnalyzed(action.first, p_speech))
        elif isinstance(action, do.Transcribe):
            self._ask(at, self._hearing, action, self._call.span(action.first, action.last))
        elif isinstance(action, do.JudgeTurn):
            judged = self._answers.judge(action, self._call.span(action.first, action.last))
            if judged is not None:
                self._push(at + judged[0], ev.TurnJudged(action.request, judged[1]))
        elif isinstance(action, do.JudgeOverlap):
            judged = self._answers.judge_overlap(action, self._call.span(action.first, action.last))
            if judged is not None:
                self._push(at + judged[0], ev.OverlapJudged(action.last, judged[1]))
        elif isinstance(action, do.Perceive):
            for took, event in self._answers.perceive(action, self._call.span(action.first, action.last)):
                self._push(at + took, event)
        elif isinstance(action, do.Appraise):
            for took, event in self._answers.appraise(action):
                self._push(at + took, event)
        elif isinstance(action, do.Notice):
            self._answers.notice(action)
        elif isinstance(action, do.Synthesize):
            self._ask(at, self._voice, action, None)
        elif isinstance(action, do.StartReply):
            self._reply(at, action)
        elif isinstance(action, do.CancelReply):
            self._cancel(action.reply)
        elif isinstance(action, do.CommitReply):
            self._answers.commit(action)
            self._commit(at, action.reply)
        elif isinstance(action, do.ForgetReply):
            self._answers.forget(action)
        elif isinstance(action, do.Remember):
            self._answers.remember(action)
        elif isinstance(action, do.HangUp | do.Transfer):
            self._push(at, ev.CallEnded(action.reason if isinstance(action, do.HangUp) else "transfer"))

    def _ask(self, at: int, worker: _Worker, action: do.Transcribe | do.Synthesize, audio: Audio | None) -> None:
        worker.add(action, audio)
        if not worker.busy:
            self._start(at, worker)

    def _start(self, at: int, worker: _Worker) -> None:
        request = worker.take()
        if request is None:
            return
        worker.busy = True
        self._working += 1
        action, audio = request
        answers = self._synthesize(action) if audio is None else self._transcribe(action, audio)
        for index, (took, event) in enumerate(answers):
            self._push(at + took, _Answer(event, worker, last=index == len(answers) - 1))

    def _transcribe(self, action: do.Transcribe, audio: Audio) -> list[tuple[int, ev.Event]]:
        try:
            took, said = self._answers.transcribe(action, audio)
        except ModelError as error:
            return [(0, ev.ModelFailed("stt", action.request, type(error).__name__))]
        return [(took, ev.TranscriptReady(action.request, said.text, said.language, said.p_language))]

    def _synthesize(self, action: do.Synthesize) -> list[tuple[int, ev.Event]]:
        answers: list[tuple[int, ev.Event]] = []
        try:
            pieces = [] if action.reply in self._cancelled else list(self._answers.synthesize(action))
        except ModelError as error:
            return [(0, ev.ModelFailed("tts", action.chunk, type(error).__name__, action.reply))]
        for took, audio in pieces or [(0, b"")]:
            answers.append((took, ev.SpeechSynthesized(action.reply, action.chunk, audio, last=False)))
        took, event = answers[-1]
        answers[-1] = (took, msgspec.structs.replace(event, last=True))
        return answers

    def _reply(self, at: int, action: do.StartReply) -> None:
        self._replies[action.reply] = at, self._answers.reply(action)
        self._next_of_agent(at, action.reply)

    def _next_of_agent(self, at: int, reply: int) -> None:
        asked, events = self._replies[reply]
        try:
            answer = next(events, None)
        except ModelError as error:
            self._push(at, _OfAgent(reply, ev.ModelFailed("agent", reply, type(error).__name__), last=True))
            return
        if answer is None:
            self._push(at, _OfAgent(reply, ev.ReplyFinished(reply), last=True))
            return
        took, event = answer
        if event is None:
            self._held[reply] = took
        else:
            self._push(asked + took, _OfAgent(reply, event, last=isinstance(event, ev.ReplyFinished)))

    def _commit(self, at: int, reply: int) -> None:
        took = self._held.pop(reply, None)
        if took is not None:  # it goes on from where it was held
            asked, events = self._replies[reply]
            self._replies[reply] = max(at, asked + took) - took, events
            self._next_of_agent(at, reply)

    def _cancel(self, reply: int) -> None:
        """Nothing more of this reply is produced: what is on its way is taken back, as a live driver would."""
        self._cancelled.add(reply)
        self._held.pop(reply, None)
        if reply in self._replies:
            _, events = self._replies.pop(reply)
            events.close()


# ---- what waits in the queue, beside plain events


class _Deadline(msgspec.Struct, frozen=True):
    name: str


class _MarkReached(msgspec.Struct, frozen=True):
    """The ear has come to a mark, unless it was cleared."""


class _OfCaller(msgspec.Struct, frozen=True):
    """Something of the recorded caller; the next one is fetched when it happens."""

    event: ev.Event


class _Answer(msgspec.Struct, frozen=True):
    """Of a worker. With `last`, it is free for the next request."""

    event: ev.Event
    worker: _Worker
    last: bool


class _OfAgent(msgspec.Struct, frozen=True):
    """Of a reply, unless it was cancelled; the one after it is asked for when it happened. `last`: there is none."""

    reply: int
    event: ev.Event
    last: bool
