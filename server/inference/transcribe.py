"""Recognition for all calls: one thread for the model and one for its fallback, finals before partials.

A hung model cannot be interrupted, so it is fenced off: the request it hangs on fails with "timeout", everything queued
behind it and everything asked of it until it returns fails at once, which sends each call's retries on to the fallback
(another model on another thread). When the hung run does return, its late result is dropped and the model is used
again.
"""

import asyncio
import time
from collections import deque
from collections.abc import Hashable, Sequence
from functools import partial

from pipelines.actions import Transcribe
from pipelines.events import Event, ModelFailed, TranscriptReady
from pipelines.models.ports import Audio, SpeechToText, Transcript
from server.inference.thread import Deliver, ModelThread, Observe, reason

_FALLBACK_ATTEMPT = 2


class TranscribeWorker:
    """Made, used and closed on one event loop. `observe(name, value)` is told, on the loop: "stt_wait_s" (from asked to
    begun), "stt_run_s", "stt_depth" (requests waiting), and the events "stt_timeout", "stt_superseded" (a partial
    replaced unheard)."""

    def __init__(
        self, stt: SpeechToText, fallback: SpeechToText | None = None, *, timeout_s: float, observe: Observe
    ) -> None:
        """`timeout_s`: longest a request may wait, and longest it may run. `fallback` serves attempt 2; without one,
        `stt` does."""
        self._main = _Lane("stt", stt, timeout_s, observe)
        self._fallback = _Lane("stt-fallback", fallback, timeout_s, observe) if fallback is not None else self._main

    def submit(
        self,
        action: Transcribe,
        audio: Audio,
        languages: Sequence[str],
        hot_words: str,
        deliver: Deliver,
        owner: Hashable,
    ) -> None:
        """Queue a request of the call `owner`; `audio` must not change afterwards. Answered on the event loop by
        `TranscriptReady` or `ModelFailed("stt", request, reason)`.

        Finals are never dropped. A call has at most one partial waiting: a newer partial, or a final, takes its place,
        and the older one gets no answer.
        """
        lane = self._fallback if action.attempt >= _FALLBACK_ATTEMPT else self._main
        lane.submit(_Request(action, audio, tuple(languages), hot_words, deliver, owner))

    def cancel(self, owner: Hashable) -> None:
        """The call is over: what it has queued is forgotten, what is in flight is not delivered."""
        for lane in {self._main, self._fallback}:
            lane.cancel(owner)

    async def aclose(self) -> None:
        """End the threads; requests that wait are forgotten. A hung model is waited for five seconds, then left
        behind."""
        await asyncio.gather(*(lane.aclose() for lane in {self._main, self._fallback}))


class _Request:
    __slots__ = ("action", "asked", "audio", "deliver", "hot_words", "languages", "owner", "timer", "wanted")

    def __init__(
        self,
        action: Transcribe,
        audio: Audio,
        languages: tuple[str, ...],
        hot_words: str,
        deliver: Deliver,
        owner: Hashable,
    ) -> None:
        self.action, self.audio, self.languages, self.hot_words = action, audio, languages, hot_words
        self.deliver, self.owner = deliver, owner
        self.asked = time.monotonic()
        self.timer: asyncio.TimerHandle | None = None
        self.wanted = True  # until it is answered or its call ends

    def answer(self, event: Event) -> None:
        if self.wanted:
            self.wanted = False
            self.deliver(event)

    def fail(self, why: str) -> None:
        self.answer(ModelFailed("stt", self.action.request, why))


class _Lane:
    """One model, its thread and its queue."""

    def __init__(self, name: str, stt: SpeechToText, timeout_s: float, observe: Observe) -> None:
        self._stt, self._timeout_s, self._observe = stt, timeout_s, observe
        self._loop = asyncio.get_running_loop()
        self._thread = ModelThread(name)
        self._finals: deque[_Request] = deque()
        self._partials: dict[Hashable, _Request] = {}  # by owner, longest waiting first
        self._running: _Request | None = None
        self._hung = False
        self._closed = False

    def submit(self, request: _Request) -> None:
        if self._closed:
            return
        if self._hung:
            self._loop.call_soon(request.fail, "the model hangs")
            return
        replaced = self._partials.pop(request.owner, None)
        if replaced is not None:
            _forget(replaced)
            self._observe("stt_superseded", 1)
        if request.action.final:
            self._finals.append(request)
        else:
            self._partials[request.owner] = request
        request.timer = self._loop.call_later(self._timeout_s, self._waited_too_long, request)
        self._next()

    def cancel(self, owner: Hashable) -> None:
        gone = [r for r in (*self._finals, *self._partials.values()) if r.owner is owner]
        for request in gone:
            self._dequeue(request)
            _forget(request)
        if self._running is not None and self._running.owner is owner:
            self._running.wanted = False  # its timer stays: it may hang all the same

    async def aclose(self) -> None:
        self._closed = True
        waiting = [*self._finals, *self._partials.values()]
        self._finals.clear()
        self._partials.clear()
        for request in (*waiting, *([self._running] if self._running is not None else [])):
            _forget(request)
        await self._thread.aclose()

    def _dequeue(self, request: _Request) -> None:
        if request.action.final:
            self._finals.remove(request)
        else:
            del self._partials[request.owner]

    # ---- one request at a time

    def _next(self) -> None:
        self._observe("stt_depth", len(self._finals) + len(self._partials))
        if self._running is not None:
            return
        if self._finals:
            request = self._finals.popleft()
        elif self._partials:
            request = self._partials.pop(next(iter(self._partials)))
        else:
            return
        self._running = request
        started = time.monotonic()
        self._observe("stt_wait_s", started - request.asked)
        request.timer.cancel()
        request.timer = self._loop.call_later(self._timeout_s, self._ran_too_long, request)
        job = partial(
            self._stt.transcribe,
            request.audio,
            languages=request.languages,
            final=request.action.final,
            hot_words=request.hot_words,
        )
        self._thread.run(job, partial(self._done, request, started))

    def _done(self, request: _Request, started: float, outcome: Transcript | Exception) -> None:
        self._observe("stt_run_s", time.monotonic() - started)
        request.timer.cancel()
        self._running, self._hung = None, False
        self._next()
        if isinstance(outcome, Exception):
            request.fail(reason(outcome))
        else:
            number = request.action.request
            request.answer(TranscriptReady(number, outcome.text, outcome.language, outcome.p_language))

    def _waited_too_long(self, request: _Request) -> None:
        self._dequeue(request)
        self._observe("stt_timeout", 1)
        request.fail("timeout")

    def _ran_too_long(self, request: _Request) -> None:
        self._hung = True
        self._observe("stt_timeout", 1)
        behind = [*self._finals, *self._partials.values()]
        for waiting in behind:
            waiting.timer.cancel()
        self._finals.clear()
        self._partials.clear()
        request.fail("timeout")
        for waiting in behind:
            waiting.fail("the model hangs")


def _forget(request: _Request) -> None:
    request.wanted = False
    request.timer.cancel()
