"""Questions that are worth an answer only while they are new: does he sound finished, how does he feel. For all calls: one model, one thread,
the newest request of each call.

Every request is answered within its time limit, by a failure if need be, and a call has at most one waiting. A model that hangs cannot be
interrupted: meanwhile each request fails at its limit, and calls do without. When the hung run returns, the model is used again.
"""

import asyncio
import time
from collections.abc import Callable, Hashable
from functools import partial
from typing import Any

from pipelines.events import Event, ModelFailed
from server.inference.thread import Deliver, ModelThread, Observe, reason

Ask = Callable[[], Event]
"""What is run on the model's thread: its answer, as the event that it is."""


class NewestWorker:
    """Made, used and closed on one event loop. `observe(name, value)` is told, on the loop: "PORT_wait_s" (from asked
    to begun), "PORT_run_s", "PORT_depth" (requests waiting), and the events "PORT_timeout", "PORT_superseded" (a
    request replaced unheard)."""

    def __init__(self, port: str, model: Any, *, timeout_s: float, observe: Observe) -> None:
        """`port`: names the model in what is observed and in failures; `timeout_s`: longest from a request to its answer."""
        self.model = model
        self._port, self._timeout_s, self._observe = port, timeout_s, observe
        self._loop = asyncio.get_running_loop()
        self._thread = ModelThread(port)
        self._waiting: dict[Hashable, _Request] = {}  # by owner, longest waiting first
        self._running: _Request | None = None
        self._closed = False

    def submit(self, number: int, ask: Ask, deliver: Deliver, owner: Hashable) -> None:
        """Queue request `number` of the call `owner`. Answered on the event loop by what `ask` returns, or by `ModelFailed(port, number, reason)`.

        It takes the place of the call's waiting request, which then gets no answer.
        """
        if self._closed:
            return
        replaced = self._waiting.pop(owner, None)
        if replaced is not None:
            replaced.forget()
            self._observe(f"{self._port}_superseded", 1)
        request = _Request(number, ask, deliver, owner)
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
        self._observe(f"{self._port}_depth", len(self._waiting))
        if self._running is not None or not self._waiting:
            return
        self._running = request = self._waiting.pop(next(iter(self._waiting)))
        started = time.monotonic()
        self._observe(f"{self._port}_wait_s", started - request.asked)
        self._thread.run(request.ask, partial(self._done, request, started))

    def _done(self, request: "_Request", started: float, outcome: Event | Exception) -> None:
        self._observe(f"{self._port}_run_s", time.monotonic() - started)
        self._running = None
        self._next()
        if isinstance(outcome, Exception):
            request.answer(ModelFailed(self._port, request.number, reason(outcome)))
        else:
            request.answer(outcome)

    def _took_too_long(self, request: "_Request") -> None:
        if request is not self._running:
            del self._waiting[request.owner]
        self._observe(f"{self._port}_timeout", 1)
        request.answer(ModelFailed(self._port, request.number, "timeout"))


class _Request:
    __slots__ = ("ask", "asked", "deliver", "number", "owner", "timer", "wanted")

    timer: asyncio.TimerHandle

    def __init__(self, number: int, ask: Ask, deliver: Deliver, owner: Hashable) -> None:
        self.number, self.ask, self.deliver, self.owner = number, ask, deliver, owner
        self.asked = time.monotonic()
        self.wanted = True  # until it is answered or its call ends

    def answer(self, event: Event) -> None:
        if self.wanted:
            self.forget()
            self.deliver(event)

    def forget(self) -> None:
        self.wanted = False
        self.timer.cancel()
