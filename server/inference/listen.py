"""Voice activity for all calls: one model, one thread, windows of many calls in one run.

A window's way: `VoiceStream.analyze` queues it (on the event loop, no waiting); when many calls are open, batches start
8 ms apart, since a batch of thirty windows costs 40 % of thirty runs; the batch runs on the thread; all its answers
come back to the loop in one step. A batch holds at most one window of a call, because the model's state after it is
needed for the next.

A run that hangs cannot be interrupted, so it is fenced off: its windows fail with "timeout", all that wait fail at once,
and so does every window that comes until the run returns. Its late result is dropped and the model is used again.
"""

import asyncio
import time
from collections import deque
from functools import partial

from pipelines.events import Event, ModelFailed, WindowAnalyzed
from pipelines.models.ports import Audio, Denoiser, VoiceActivity
from server.inference.thread import Deliver, ModelThread, Observe, reason

_MAX_PENDING = 16  # windows of one call: half a second; older ones say nothing that turn-taking could still use
_MAX_BATCH = 64  # its answers are handled in one go: 64 x 40 us stay below what the loop may be held for
_FEW = 4  # calls, up to which a run each costs too little to wait for company
_PERIOD_S = 0.008  # from one batch's start to the next, with more calls than those
_DENOISE_S = 0.016  # in a batch: half the time until every call's next window
_TIMEOUT_S = 2.0  # a run takes milliseconds; a machine that swaps may take a second


class VoiceStream:
    """Voice activity of one call. Answers come to its `deliver` in order, on the event loop, and none after `close`."""

    def __init__(self, worker: "VoiceWorker", deliver: Deliver, state: object) -> None:
        self._worker = worker
        self.deliver = deliver
        self.state = state
        self.noise: object = None  # the denoiser's state, None before its first window
        self.pending: deque[tuple[int, Audio, float]] = deque()  # first sample, samples, when it came
        self.closed = False

    def analyze(self, first: int, audio: Audio) -> None:
        """Queue the window of 512 samples that starts at media sample `first`; `audio` must not change afterwards.

        Answered by `WindowAnalyzed(first, p)` or `ModelFailed("vad", first, reason)`. When 16 windows are waiting, the
        oldest is dropped without an answer and counted ("vad_dropped").
        """
        self._worker.push(self, first, audio)

    def close(self) -> None:
        """The call is over. What is queued is forgotten, what is in flight is not delivered."""
        self._worker.forget(self)


Asked = tuple[VoiceStream, int]
"""A window: whose it is, and its first sample."""


class VoiceWorker:
    """Made, used and closed on one event loop. `observe(name, value)` is told, on the loop, of every batch:
    "vad_wait_s" (its oldest window's), "vad_run_s", "vad_batch" (windows in it), "vad_depth" (calls that still wait);
    of "vad_dropped" and "vad_failed" (windows), "denoise_skipped" (windows that were heard with their noise); and of
    "vad_timeout" (runs)."""

    def __init__(
        self,
        vad: VoiceActivity,
        denoiser: Denoiser | None = None,
        *,
        observe: Observe,
        timeout_s: float = _TIMEOUT_S,
        denoise_s: float = _DENOISE_S,
    ) -> None:
        """`denoiser` cleans what the model hears, which is then `denoiser.delay` samples late; pre-roll covers it.
        `timeout_s`: longest a run may take; `denoise_s`: of it, after how much no more windows are cleaned."""
        self._vad, self._denoiser, self._observe, self._timeout_s = vad, denoiser, observe, timeout_s
        self._denoise_s = denoise_s
        self._loop = asyncio.get_running_loop()
        self._thread = ModelThread("vad")
        self._ready: deque[VoiceStream] = deque()  # streams with windows waiting, each once, longest waiting first
        self._open = 0
        self._running = False
        self._hung = False  # what runs has been given up
        self._gathering: asyncio.TimerHandle | None = None
        self._limit: asyncio.TimerHandle | None = None  # of the run
        self._started = -_PERIOD_S
        self._closed = False

    def open(self, deliver: Deliver) -> VoiceStream:
        """A call begins to listen."""
        self._open += 1
        return VoiceStream(self, deliver, self._vad.initial_state())

    async def aclose(self) -> None:
        """End the thread; windows that wait are forgotten."""
        self._closed = True
        for timer in (self._gathering, self._limit):
            if timer is not None:
                timer.cancel()
        self._ready.clear()
        await self._thread.aclose()

    # ---- for the streams

    def push(self, stream: VoiceStream, first: int, audio: Audio) -> None:
        if stream.closed or self._closed:
            return
        if self._hung:
            self._loop.call_soon(self._fail, [(stream, first)], "the model hangs")
            return
        if not stream.pending:
            self._ready.append(stream)
        elif len(stream.pending) == _MAX_PENDING:
            stream.pending.popleft()
            self._observe("vad_dropped", 1)
        stream.pending.append((first, audio, time.monotonic()))
        self._schedule()

    def forget(self, stream: VoiceStream) -> None:
        if not stream.closed:
            stream.closed = True
            stream.pending.clear()
            self._open -= 1

    # ---- batches

    def _schedule(self) -> None:
        if self._running or self._gathering is not None or not self._ready:
            return
        wait = self._started + _PERIOD_S - time.monotonic()
        if wait <= 0 or self._open <= _FEW or len(self._ready) >= _MAX_BATCH:
            self._start()
        else:
            self._gathering = self._loop.call_later(wait, self._start)

    def _start(self) -> None:
        self._gathering = None
        streams: list[VoiceStream] = []
        windows: list[tuple[int, Audio, float]] = []
        while self._ready and len(streams) < _MAX_BATCH:
            stream = self._ready.popleft()
            if stream.pending:  # it may have been closed since
                streams.append(stream)
                windows.append(stream.pending.popleft())
        self._ready.extend(stream for stream in streams if stream.pending)
        if not streams:
            return
        self._running = True
        self._started = time.monotonic()
        self._observe("vad_wait_s", self._started - min(came for _, _, came in windows))
        self._observe("vad_batch", len(windows))
        audio = [samples for _, samples, _ in windows]
        asked = [(stream, first) for stream, (first, _, _) in zip(streams, windows, strict=True)]
        job = partial(self._analyze, audio, [s.state for s in streams], [s.noise for s in streams])
        self._limit = self._loop.call_later(self._timeout_s, self._ran_too_long, asked)
        self._thread.run(job, partial(self._done, asked))

    def _analyze(
        self, audio: list[Audio], states: list[object], noises: list[object]
    ) -> tuple[list[float], list[object], list[object]]:
        """On the thread: probabilities, the model's new states, the denoiser's new states.

        When the denoiser has had its time in a batch, the other windows are heard as they came: noise costs a call less than lateness.
        """
        if (denoiser := self._denoiser) is not None:
            began, audio, noises = time.monotonic(), list(audio), list(noises)
            for n, (samples, noise) in enumerate(zip(audio, noises, strict=True)):
                if time.monotonic() - began >= self._denoise_s:
                    self._loop.call_soon_threadsafe(self._observe, "denoise_skipped", len(audio) - n)
                    break
                # A call's first state is made here: a packaged denoiser may take a third of a second for it.
                noise = denoiser.initial_state() if noise is None else noise
                audio[n], noises[n] = denoiser.denoise(samples, noise)
        p_speech, states = self._vad.analyze(audio, states)
        return p_speech, states, noises

    def _done(self, asked: list[Asked], outcome: tuple[list[float], list[object], list[object]] | Exception) -> None:
        late = self._hung
        self._running = self._hung = False
        self._limit.cancel()
        self._observe("vad_run_s", time.monotonic() - self._started)
        self._observe("vad_depth", len(self._ready))
        if late:
            return  # its windows have failed already, and none were queued meanwhile
        if isinstance(outcome, Exception):
            self._schedule()
            self._fail(asked, reason(outcome))
            return
        p_speech, states, noises = outcome
        for (stream, _), state, noise in zip(asked, states, noises, strict=True):
            stream.state, stream.noise = state, noise
        self._schedule()
        for (stream, first), p in zip(asked, p_speech, strict=True):
            self._deliver(stream, WindowAnalyzed(first, p))

    def _ran_too_long(self, asked: list[Asked]) -> None:
        self._hung = True
        self._observe("vad_timeout", 1)
        waiting = [(stream, first) for stream in self._ready for first, _, _ in stream.pending]
        for stream in self._ready:
            stream.pending.clear()
        self._ready.clear()
        self._fail(asked, "timeout")
        self._fail(waiting, "the model hangs")

    def _fail(self, asked: list[Asked], why: str) -> None:
        self._observe("vad_failed", len(asked))
        for stream, first in asked:
            self._deliver(stream, ModelFailed("vad", first, why))

    def _deliver(self, stream: VoiceStream, event: Event) -> None:
        if stream.closed:
            return
        try:
            stream.deliver(event)
        except Exception as error:  # one call's fault must not cost the others of its batch their windows
            self._loop.call_exception_handler({"message": "a call failed on its voice activity", "exception": error})
