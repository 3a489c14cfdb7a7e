"""Ends of turns for all calls: one model, one thread, the newest request of each call.

A judgement is worth something only while the caller is silent, so every request is answered within its time limit, by a
failure if need be, and a call has at most one waiting. A model that hangs cannot be interrupted: meanwhile each request
fails at its limit, and the words alone end the turns. When the hung run returns, the model is used again.
"""

import asyncio
import time
from collections.abc import Hashable
from functools import partial

from pipelines.actions import JudgeTurn
from pipelines.events import Event, ModelFailed, TurnJudged
from pipelines.models.ports import Audio, TurnDetector
from server.inference.thread import Deliver, ModelThread, Observe, reason

_TIMEOUT_S = 1.0  # later, the longest wait for a caller who may go on is nearly over anyway


class TurnWorker:
    """Made, used and closed on one event loop. `observe(name, value)` is told, on the loop: "turn_wait_s" (from asked
    to begun), "turn_run_s", "turn_depth" (requests waiting), and the events "turn_timeout", "turn_superseded" (a
    request replaced unheard)."""

    def __init__(self, detector: TurnDetector, *, timeout_s: float = _TIMEOUT_S, observe: Observe) -> None:
        """`timeout_s`: longest from a request to its answer."""
        self._detector, self._timeout_s, self._observe = detector, timeout_s, observe
        self._loop = asyncio.get_running_loop()
        self._thread = ModelThread("turn")
        self._waiting: dict[Hashable, _Request] = {}  # by owner, longest waiting first
        self._running: _Request | None = None
        self._closed = False

    def submit(self, action: JudgeTurn, audio: Audio, deliver: Deliver, owner: Hashable) -> None:
        """Queue a request of the call `owner`; `audio` must not change afterwards. Answered on the event loop by
        `TurnJudged` or `ModelFailed("turn", request, reason)`.

        It takes the place of the call's waiting request, which then gets no answer.
        """
        if self._closed:
            return
        replaced = self._waiting.pop(owner, None)
        if replaced is not None:
            replaced.forget()
            self._observe("turn_superseded", 1)
        request = _Request(action.request, audio, deliver, owner)
        request.timer = self._loop.call_later(self._timeout_s, self._took_too_long, request)
        self._waiting[owner] = request
        self._next()

    def cancel(self, owner: Hashable) -> None:
        """The call is over: what it has queued is forgotten, what is in flight is not delivered."""
        waiting = self._waiting.pop(owner, None)
        if waiting is not None:
            waiting.forget()
        if self._running is not None and self._running.owner is owner:
            self._running.forget()

    async def aclose(self) -> None:
        """End the thread; requests that wait are forgotten. A hung model is waited for five seconds, then left
        behind."""
        self._closed = True
        for request in (*self._waiting.values(), *([self._running] if self._running is not None else [])):
            request.forget()
        self._waiting.clear()
        await self._thread.aclose()

    def _next(self) -> None:
        self._observe("turn_depth", len(self._waiting))
        if self._running is not None or not self._waiting:
            return
        self._running = request = self._waiting.pop(next(iter(self._waiting)))
        started = time.monotonic()
        self._observe("turn_wait_s", started - request.asked)
        self._thread.run(partial(self._detector.p_end, request.audio), partial(self._done, request, started))

    def _done(self, request: "_Request", started: float, outcome: float | Exception) -> None:
        self._observe("turn_run_s", time.monotonic() - started)
        self._running = None
        self._next()
        if isinstance(outcome, Exception):
            request.answer(ModelFailed("turn", request.number, reason(outcome)))
        else:
            request.answer(TurnJudged(request.number, outcome))

    def _took_too_long(self, request: "_Request") -> None:
        if request is not self._running:
            del self._waiting[request.owner]
        self._observe("turn_timeout", 1)
        request.answer(ModelFailed("turn", request.number, "timeout"))


class _Request:
    __slots__ = ("asked", "audio", "deliver", "number", "owner", "timer", "wanted")

    timer: asyncio.TimerHandle

    def __init__(self, number: int, audio: Audio, deliver: Deliver, owner: Hashable) -> None:
        self.number, self.audio, self.deliver, self.owner = number, audio, deliver, owner
        self.asked = time.monotonic()
        self.wanted = True  # until it is answered or its call ends

    def answer(self, event: Event) -> None:
        if self.wanted:
            self.forget()
            self.deliver(event)

    def forget(self) -> None:
        self.wanted = False
        self.timer.cancel()
