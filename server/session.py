"""The live driver of one call: stamps events with call time, hands them to the pure `Call`, and does what it asks for.

Everything that can wait or fail is here; everything that decides is in `pipelines.call`. One session, one asyncio task that reads
the socket, plus one task for each reply of the agent and each request to the carrier; models run on the workers' threads.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncIterable, Callable, Sequence
from contextlib import suppress
from typing import Protocol

import structlog

from pipelines import actions as do
from pipelines import events as ev
from pipelines.call import Call
from pipelines.errors import AlloError, WireError
from pipelines.models.ports import Agent
from server.clock import now_us

log = structlog.get_logger()

_HARD_STOP_S = 15.0  # after the call's own limit, should the last words not come to an end
_CARRIER_TIMEOUT_S = 10.0
_NORMAL_CLOSURE = 1000  # RFC 6455 section 7.4.1


class Wire(Protocol):
    """A carrier's codec (server/wire)."""

    def receive(self, message: str | bytes) -> list[ev.Event]: ...
    def media(self, payload: bytes) -> Sequence[str | bytes]: ...
    def mark(self, name: str) -> Sequence[str | bytes]: ...
    def clear(self) -> Sequence[str | bytes]: ...


class Socket(Protocol):
    """The open websocket: messages in; `send` never waits, and raises ConnectionError when the peer is gone or does not read."""

    def __aiter__(self) -> AsyncIterable[str | bytes]: ...
    def send(self, message: str | bytes) -> None: ...
    async def close(self) -> None: ...

    @property
    def close_code(self) -> int | None:
        """RFC 6455 status with which the socket was closed, None while it is open or when it broke."""
        ...


class Control(Protocol):
    """What the carrier can do with the call beyond its audio."""

    async def hang_up(self) -> None: ...
    async def transfer(self, number: str) -> None: ...
    async def send_digits(self, digits: str) -> None: ...


class Ears(Protocol):
    """The models of one call, each answering later through the `deliver` they were opened with."""

    def analyze(self, first: int, audio: object) -> None: ...
    def transcribe(self, action: do.Transcribe, audio: object) -> None: ...
    def judge(self, action: do.JudgeTurn, audio: object) -> None: ...
    def judge_overlap(self, action: do.JudgeOverlap, audio: object) -> None: ...
    def perceive(self, action: do.Perceive, audio: object) -> None: ...
    def identify(self, action: do.Identify) -> None: ...
    def appraise(self, action: do.Appraise) -> None: ...
    def synthesize(self, action: do.Synthesize) -> None: ...
    def cancel_reply(self, reply: int) -> None: ...
    def close(self) -> None: ...


Observer = Callable[[int, ev.Event, list[do.Action]], None]


class Session:
    """One call from its first event to its last."""

    def __init__(
        self,
        call: Call,
        wire: Wire,
        socket: Socket,
        control: Control,
        observers: Sequence[Observer] = (),
    ) -> None:
        self.call, self._wire, self._socket, self._control = call, wire, socket, control
        self._observers = tuple(observers)
        self.name = secrets.token_hex(8)
        """Ours, for addresses: a carrier's id of a call may be anything, and come twice."""
        self.started: ev.CallStarted | None = None
        self._loop = asyncio.get_running_loop()
        self._call_id = ""
        self._born = now_us()
        self._at = 0
        self._inbox: deque[tuple[ev.Event, int]] = deque()
        self._busy = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._replies: dict[int, asyncio.Task[None]] = {}
        self._errands: set[asyncio.Task[None]] = set()
        self._models: Ears | None = None
        self._agent: Agent | None = None
        self._leaving = ""  # why we end the call, once we do
        self._hard_stop: asyncio.TimerHandle | None = None
        self._do = {
            do.AnalyzeWindow: self._analyze_window,
            do.Transcribe: self._transcribe,
            do.JudgeTurn: self._judge_turn,
            do.JudgeOverlap: self._judge_overlap,
            do.Perceive: self._perceive,
            do.Identify: self._identify,
            do.Appraise: self._appraise,
            do.Notice: self._notice,
            do.StartReply: self._start_reply,
            do.CaptionUpdated: self._overhear,
            do.CommitReply: self._commit_reply,
            do.ForgetReply: self._forget_reply,
            do.Synthesize: self._synthesize,
            do.CancelReply: self._cancel_reply,
            do.Remember: self._remember,
            do.SendMedia: self._send_media,
            do.SendMark: self._send_mark,
            do.ClearMedia: self._clear_media,
            do.SendDigits: self._send_digits,
            do.Transfer: self._transfer,
            do.HangUp: self._hang_up,
            do.SetDeadline: self._set_deadline,
            do.CancelDeadline: self._cancel_deadline,
        }

    # ---- a call's life

    async def run(self, started: ev.CallStarted, models: Ears, agent: Agent | None) -> str:
        """Drive the call until either side ends it; returns the reason, as in `CallEnded`. Frees everything it used."""
        self.started, self._models, self._agent, self._call_id = started, models, agent, started.call_id
        limit = self.call.settings.max_call_us / 1e6 + _HARD_STOP_S
        self._hard_stop = self._loop.call_later(limit, self._leave, "limit")
        reason = "lost"
        try:
            self.dispatch(started)
            async for message in self._socket:
                for event in self._wire.receive(message):
                    if isinstance(event, ev.CallEnded):
                        reason = event.reason
                        return self._leaving or reason  # not another message
                    self.dispatch(event)
            if self._socket.close_code == _NORMAL_CLOSURE:  # jambonz says no other goodbye
                reason = "caller"
        except WireError as error:
            log.warning("wire_error", error=str(error))
            reason = "refused"
        except ConnectionError:
            reason = "lost"
        except asyncio.CancelledError:
            reason = "shutdown"
            raise
        finally:
            await self._end(self._leaving or reason)
        return self._leaving or reason

    async def _end(self, reason: str) -> None:
        if self._hard_stop is not None:
            self._hard_stop.cancel()
        self._leaving = self._leaving or reason
        self.dispatch(ev.CallEnded(self._leaving))
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
        if self._models is not None:
            self._models.close()
        tasks = [*self._replies.values()]
        for task in tasks:
            task.cancel()
        errands = [t for t in self._errands if t is not asyncio.current_task()]
        await asyncio.gather(*tasks, *errands, return_exceptions=True)
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(2):
                await self._socket.close()

    def state(self) -> dict[str, object]:
        """What the call is doing: for those who look into a running server. No words, no numbers of the caller."""
        now = now_us() - self._born
        return {
            "call_id": self._call_id,
            "seconds": round(now / 1e6, 1),
            "floor": self.call.floor,
            "idle_ms": (now - self._at) // 1000,
            "replies": sorted(self._replies),
            "deadlines_ms": {
                name: round((timer.when() - self._loop.time()) * 1e3) for name, timer in self._timers.items()
            },
            "errands": len(self._errands),
            "leaving": self._leaving,
        }

    # ---- events in, actions out

    def deliver(self, event: ev.Event) -> None:
        """An answer of a model; the same as `dispatch`, but harmless after the end."""
        if not self.call.ended:
            self.dispatch(event)

    def dispatch(self, event: ev.Event, not_before: int = 0) -> None:
        """Stamp the event and act on it. An event that arises while another is acted on waits its turn."""
        self._inbox.append((event, not_before))
        if self._busy:
            return
        self._busy = True
        try:
            while self._inbox:
                event, not_before = self._inbox.popleft()
                self._at = at = max(self._at, not_before, now_us() - self._born)
                try:
                    actions = self.call.receive(at, event)
                except Exception:  # a defect in the call's own logic must cost this call only
                    log.exception("call_crashed", event_type=type(event).__name__)
                    for observer in self._observers:  # the dump replays to the same crash
                        observer(at, event, [])
                    self.call.ended = True
                    self._leave("failed")
                    return
                for observer in self._observers:
                    observer(at, event, actions)
                for action in actions:
                    perform = self._do.get(type(action))
                    if perform is not None:
                        perform(action)
        finally:
            self._busy = False

    # ---- models

    def _analyze_window(self, action: do.AnalyzeWindow) -> None:
        self._models.analyze(action.first, self.call.span(action.first, action.last))

    def _transcribe(self, action: do.Transcribe) -> None:
        try:
            audio = self.call.span(action.first, action.last)
        except IndexError:  # a late retry: the ring has moved on
            self.deliver(ev.ModelFailed("stt", action.request, "the audio is no longer held"))
        else:
            self._models.transcribe(action, audio)

    def _judge_turn(self, action: do.JudgeTurn) -> None:
        with suppress(IndexError):  # too late to matter
            self._models.judge(action, self.call.span(action.first, action.last))

    def _judge_overlap(self, action: do.JudgeOverlap) -> None:
        with suppress(IndexError):
            self._models.judge_overlap(action, self.call.span(action.first, action.last))

    def _perceive(self, action: do.Perceive) -> None:
        with suppress(IndexError):
            self._models.perceive(action, self.call.span(action.first, action.last))

    def _identify(self, action: do.Identify) -> None:
        self._models.identify(action)

    def _appraise(self, action: do.Appraise) -> None:
        self._models.appraise(action)

    def _notice(self, action: do.Notice) -> None:
        if self._agent is not None:
            self._agent.notice(action.fact, action.value, action.p, action.threshold)

    def _synthesize(self, action: do.Synthesize) -> None:
        self._models.synthesize(action)

    def _start_reply(self, action: do.StartReply) -> None:
        old = self._replies.pop(action.reply, None)
        if old is not None:
            old.cancel()
        task = self._loop.create_task(self._run_reply(action))
        self._replies[action.reply] = task

    async def _run_reply(self, action: do.StartReply) -> None:
        try:
            events = self._agent.reply(
                action.reply,
                action.text,
                action.language,
                attempt=action.attempt,
                speculative=action.speculative,
            )
            async for event in events:
                self.deliver(event)
        except AlloError as error:
            log.warning("agent_failed", error=type(error).__name__, attempt=action.attempt)
            self._replies.pop(action.reply, None)
            self.deliver(ev.ModelFailed("agent", action.reply, type(error).__name__))
        except Exception as error:  # a tool or an SDK may raise anything; the caller must not be left in silence
            log.exception("agent_crashed", attempt=action.attempt)
            self._replies.pop(action.reply, None)
            self.deliver(ev.ModelFailed("agent", action.reply, type(error).__name__))
        else:
            self._replies.pop(action.reply, None)
            self.deliver(ev.ReplyFinished(action.reply))

    def _cancel_reply(self, action: do.CancelReply) -> None:
        task = self._replies.pop(action.reply, None)
        if task is not None:
            task.cancel()
            self._errands.add(task)
            task.add_done_callback(self._errands.discard)
        self._models.cancel_reply(action.reply)

    def _overhear(self, action: do.CaptionUpdated) -> None:
        if self._agent is not None:
            self._agent.overhear(f"{action.committed} {action.tentative}".strip(), action.language)

    def _commit_reply(self, action: do.CommitReply) -> None:
        self._agent.commit(action.reply)

    def _forget_reply(self, action: do.ForgetReply) -> None:
        self._agent.forget(action.reply)

    def _remember(self, action: do.Remember) -> None:
        if self._agent is not None:
            self._agent.remember(action.reply, action.text)

    # ---- the carrier

    def _send(self, messages: Sequence[str | bytes]) -> None:
        try:
            for message in messages:
                self._socket.send(message)
        except ConnectionError:
            self._leave("lost")

    def _send_media(self, action: do.SendMedia) -> None:
        self._send(self._wire.media(action.payload))

    def _send_mark(self, action: do.SendMark) -> None:
        self._send(self._wire.mark(action.name))

    def _clear_media(self, action: do.ClearMedia) -> None:
        self._send(self._wire.clear())

    def _send_digits(self, action: do.SendDigits) -> None:
        self._errand(self._control.send_digits(action.digits), "send_digits")

    def _transfer(self, action: do.Transfer) -> None:
        self._errand(self._control.transfer(action.number), "transfer", then="transfer")

    def _hang_up(self, action: do.HangUp) -> None:
        self._errand(self._control.hang_up(), "hang_up", then=action.reason)

    def _errand(self, work, what: str, then: str = "") -> None:
        """Ask something of the carrier in the background; `then`: our part ends afterwards, for this reason."""
        task = self._loop.create_task(self._run_errand(work, what, then))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _run_errand(self, work, what: str, then: str) -> None:
        try:
            async with asyncio.timeout(_CARRIER_TIMEOUT_S):
                await work
        except Exception as error:  # libraries of carriers raise what they like; the call must go on to its end
            log.warning("carrier_refused", what=what, error=type(error).__name__)
            if what == "transfer":
                self.deliver(ev.ModelFailed("transfer", 0, type(error).__name__))
                return
        if then:
            self._leave(then)

    def _leave(self, reason: str) -> None:
        """End the call from our side: closing the socket ends the reading loop, which cleans up."""
        if self._leaving:
            return
        self._leaving = reason
        task = self._loop.create_task(self._socket.close())
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    # ---- time

    def _set_deadline(self, action: do.SetDeadline) -> None:
        timer = self._timers.get(action.name)
        if timer is not None:
            timer.cancel()
        delay = max(0, action.at + self._born - now_us()) / 1e6
        self._timers[action.name] = self._loop.call_later(delay, self._deadline, action.name, action.at)

    def _cancel_deadline(self, action: do.CancelDeadline) -> None:
        timer = self._timers.pop(action.name, None)
        if timer is not None:
            timer.cancel()

    def _deadline(self, name: str, at: int) -> None:
        del self._timers[name]
        self.dispatch(ev.DeadlineReached(name), at)

    def stop(self) -> None:
        """The server shuts down."""
        self._leave("shutdown")

    # ---- those who watch

    @property
    def age_s(self) -> float:
        """Seconds since the call began."""
        return (now_us() - self._born) / 1e6

    def attach(self, observer: Observer) -> None:
        """Let `observer` see what happens from now on. It must return at once and never raise."""
        self._observers = (*self._observers, observer)

    def detach(self, observer: Observer) -> None:
        self._observers = tuple(one for one in self._observers if one is not observer)

    def note(self, text: str) -> None:
        """Whisper `text` to the agent."""
        self.deliver(ev.NoteGiven(text))

    def hang_up(self) -> None:
        """An operator ends the call, in the middle of a word."""
        self._errand(self._control.hang_up(), "hang_up", then="operator")

    def transfer(self, number: str) -> None:
        """An operator hands the call to `number`. A carrier that refuses it makes the call say so, as if the agent had asked."""
        self._errand(self._control.transfer(number), "transfer", then="transfer")
