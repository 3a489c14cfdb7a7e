"""Synthesis for all calls on one thread: the first chunk of a reply before later ones, phrases that recur from a cache.

The event loop submits and cancels; the thread speaks; answers come back on the loop. After a `cancel` nothing of what
it dropped is delivered, though the thread finishes its sentence first: a voice cannot be stopped inside one."""

import asyncio
import heapq
import itertools
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import numpy as np
import structlog

from pipelines.actions import Synthesize
from pipelines.errors import AlloError, ModelError
from pipelines.events import Event, ModelFailed, SpeechSynthesized
from pipelines.frames import TELEPHONE, AudioFormat
from pipelines.models.ports import TextToSpeech
from server.inference.phrase_cache import PhraseCache, phrase_key
from server.inference.voicing import Pcm, finished_pieces, wire_audio

log = structlog.get_logger()

_REPLY_START, _REPLY_REST, _WARMING = range(3)
_MEMORY_BYTES = 32 << 20
_PATIENCE_S = 10.0  # with a voice that hangs, at the end; its thread does not keep the process alive


class Voice(TextToSpeech, Protocol):
    identity: str
    """Names the voice and its weights: the same identity speaks the same audio."""


class _Job:
    __slots__ = (
        "action",
        "deliver",
        "ended",
        "form",
        "key",
        "owner",
        "started",
        "submitted",
        "timer",
        "voice",
    )

    def __init__(self, action: Synthesize, form: AudioFormat, deliver: Callable[[Event], None], owner: object) -> None:
        self.action, self.form, self.deliver, self.owner = action, form, deliver, owner
        self.voice: Voice | None = None
        self.key = ""  # of a phrase that recurs
        self.submitted, self.started = time.monotonic(), 0.0
        self.ended = False  # answered in full, failed or cancelled: nothing more is delivered
        self.timer: asyncio.TimerHandle | None = None


class SpeakWorker:
    """`voices`, and for a third attempt `fallback`, by ISO 639-1 language. Answers on the loop it was made on."""

    def __init__(
        self,
        voices: Mapping[str, Voice],
        fallback: Mapping[str, Voice] | None = None,
        *,
        cache_dir: Path | None = None,
        observe: Callable[[str, float], None] = lambda name, value: None,
        timeout_s: float = 8.0,
        max_waiting: int = 64,
    ) -> None:
        """`cache_dir`: where recurring phrases are kept, None for memory only. `observe` is called on the loop with
        `tts_wait_s`, `tts_run_s`, `tts_depth`, `tts_cached` (1), `tts_refused` (1). `timeout_s`: from submit to the
        chunk's last audio. Beyond `max_waiting` chunks a new one fails at once."""
        self._voices, self._fallback = voices, fallback or {}
        self._cache = PhraseCache(cache_dir) if cache_dir is not None else None
        self._observe, self._timeout_s, self._max_waiting = observe, timeout_s, max_waiting
        self._loop = asyncio.get_running_loop()
        self._recurring: set[str] = set()  # phrase keys
        self._ready: OrderedDict[tuple[str, AudioFormat], bytes] = OrderedDict()  # phrases in a wire's format
        self._ready_bytes = 0
        self._open: dict[object, set[_Job]] = {}
        self._order = itertools.count()
        self._waiting: list[tuple[int, int, _Job]] = []  # a heap, guarded by _changed
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="tts", daemon=True)
        self._thread.start()

    # ---- on the event loop

    def submit(self, action: Synthesize, form: AudioFormat, deliver: Callable[[Event], None], owner: object) -> None:
        """Speak; `deliver` later gets `SpeechSynthesized`, piece by piece (the last may be empty), or `ModelFailed`."""
        job = _Job(action, form, deliver, owner)
        self._open.setdefault(owner, set()).add(job)
        voice = self._voice_for(action)
        if voice is None:
            self._loop.call_soon(self._fail, job, f"no voice speaks {action.language!r}")
            return
        job.voice = voice
        key = phrase_key(voice.identity, action.language, action.text, voice.sample_rate)
        if key in self._recurring:
            job.key = key
            ready = self._ready.get((key, form))
            if ready is not None:
                self._ready.move_to_end((key, form))
                self._observe("tts_cached", 1)
                self._loop.call_soon(self._give, job, ready, True)
                return
        if len(self._waiting) >= self._max_waiting:
            self._observe("tts_refused", 1)
            self._loop.call_soon(self._fail, job, "too many chunks are waiting")
            return
        job.timer = self._loop.call_later(self._timeout_s, self._fail, job, f"no audio within {self._timeout_s:g} s")
        self._queue(_REPLY_REST if action.chunk else _REPLY_START, job)

    def cancel(self, owner: object, reply: int | None = None) -> None:
        """Drop all that is queued or under way for `owner`, or for one of its replies."""
        for job in [j for j in self._open.get(owner, ()) if reply is None or j.action.reply == reply]:
            self._end(job)

    async def warm(self, texts: Sequence[tuple[str, str]], progress: Callable[[int, int], None] | None = None) -> None:
        """Have each (text, language) ready, from the cache or synthesized now: from here on it is delivered at once.

        `progress` gets (done, all). Raises ModelError when a voice cannot say one."""
        for done, (text, language) in enumerate(texts, 1):
            voice = self._voices.get(language)
            if text and voice is not None:
                key = phrase_key(voice.identity, language, text, voice.sample_rate)
                self._recurring.add(key)
                if (key, TELEPHONE) not in self._ready:
                    await self._warm_one(text, language)
            if progress is not None:
                progress(done, len(texts))

    async def _warm_one(self, text: str, language: str) -> None:
        answered: asyncio.Future[None] = self._loop.create_future()

        def deliver(event: Event) -> None:
            if answered.done():
                return
            if isinstance(event, ModelFailed):
                answered.set_exception(ModelError(event.reason))
            elif isinstance(event, SpeechSynthesized) and event.last:
                answered.set_result(None)

        job = _Job(Synthesize(-1, 0, text, language), TELEPHONE, deliver, owner=self)
        job.voice = self._voices[language]
        job.key = phrase_key(job.voice.identity, language, text, job.voice.sample_rate)
        self._open.setdefault(self, set()).add(job)
        self._queue(_WARMING, job)
        try:
            await answered
        finally:
            self._end(job)

    async def aclose(self) -> None:
        """Drop everything and stop the thread, once the sentence it is at is finished."""
        for owner in list(self._open):
            self.cancel(owner)
        with self._changed:
            self._closing = True
            self._changed.notify()
        await asyncio.to_thread(self._thread.join, _PATIENCE_S)

    def _voice_for(self, action: Synthesize) -> Voice | None:
        if action.attempt >= 2 and action.language in self._fallback:
            return self._fallback[action.language]
        return self._voices.get(action.language)

    def _queue(self, priority: int, job: _Job) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (priority, next(self._order), job))
            depth = len(self._waiting)
            self._changed.notify()
        self._observe("tts_depth", depth)

    def _give(self, job: _Job, audio: bytes, last: bool) -> None:
        if job.ended:
            return
        if last:
            self._end(job)
            if job.started:
                self._observe("tts_wait_s", job.started - job.submitted)
                self._observe("tts_run_s", time.monotonic() - job.started)
        job.deliver(SpeechSynthesized(job.action.reply, job.action.chunk, audio, last))

    def _fail(self, job: _Job, reason: str) -> None:
        if job.ended:
            return
        self._end(job)
        job.deliver(ModelFailed("tts", job.action.chunk, reason, reply=job.action.reply))

    def _end(self, job: _Job) -> None:
        job.ended = True
        if job.timer is not None:
            job.timer.cancel()
        jobs = self._open.get(job.owner)
        if jobs is not None:
            jobs.discard(job)
            if not jobs:
                del self._open[job.owner]
        with self._changed:
            kept = [entry for entry in self._waiting if entry[2] is not job]
            if len(kept) != len(self._waiting):
                heapq.heapify(kept)
                self._waiting = kept
        self._observe("tts_depth", len(self._waiting))

    def _keep(self, key: str, form: AudioFormat, audio: bytes) -> None:
        self._ready_bytes += len(audio) - len(self._ready.pop((key, form), b""))
        self._ready[key, form] = audio
        while self._ready_bytes > _MEMORY_BYTES:
            self._ready_bytes -= len(self._ready.popitem(last=False)[1])

    # ---- on the thread

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting and not self._closing:
                    self._changed.wait()
                if self._closing:
                    return
                job = heapq.heappop(self._waiting)[2]
            if job.ended:
                continue
            job.started = time.monotonic()
            try:
                self._speak(job)
            except Exception as error:  # whatever a voice raises must not end the thread that all calls share
                reason = str(error) if isinstance(error, AlloError) else f"the voice failed: {type(error).__name__}"
                self._answer(self._fail, job, reason)

    def _speak(self, job: _Job) -> None:
        if job.key:
            audio = wire_audio(self._phrase(job), job.voice.sample_rate, job.form)
            self._answer(self._keep, job.key, job.form, audio)
            self._answer(self._give, job, audio, True)
            return
        for pcm in finished_pieces(job.voice, job.action.text, job.action.language):
            if job.ended:
                return
            self._answer(self._give, job, wire_audio(pcm, job.voice.sample_rate, job.form), False)
        # Only now is it known that the piece before was the last.
        self._answer(self._give, job, b"", True)

    def _phrase(self, job: _Job) -> Pcm:
        kept = self._kept(job.key)
        if kept is None:
            pieces = list(finished_pieces(job.voice, job.action.text, job.action.language))
            kept = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
            if self._cache is not None:
                try:
                    self._cache.put(job.key, kept)
                except OSError as error:  # the phrase is said all the same, and again after the next start
                    log.warning("phrase_not_kept", reason=error.strerror)
        return kept

    def _kept(self, key: str) -> Pcm | None:
        try:
            return self._cache.get(key) if self._cache is not None else None
        except OSError as error:
            log.warning("phrase_not_read", reason=error.strerror)
            return None

    def _answer(self, answer: Callable[..., None], *arguments: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody is left to answer
            self._loop.call_soon_threadsafe(answer, *arguments)
