"""A thread that runs one model, a job at a time, for the event loop that made it."""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import TypeVar

import structlog

from pipelines.errors import ModelError
from pipelines.events import Event

Deliver = Callable[[Event], None]
"""Takes an answer to its call, on the event loop."""

Observe = Callable[[str, float], None]
"""Takes a measurement (name, value), on the event loop."""

T = TypeVar("T")
_PATIENCE_S = 5.0

log = structlog.get_logger()


class ModelThread:
    """All bookkeeping stays on the loop; the thread sees nothing but the job it is given, so workers need no locks.

    It is a daemon: a model that hangs in native code cannot be interrupted, and must not keep the process from ending.
    """

    def __init__(self, name: str) -> None:
        """Starts at once. Raises RuntimeError when no event loop runs."""
        self._loop = asyncio.get_running_loop()
        self._jobs: SimpleQueue[tuple[Callable[[], object], Callable[..., None]] | None] = SimpleQueue()
        self._ended = self._loop.create_future()
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)
        self._thread.start()

    def run(self, job: Callable[[], T], done: Callable[[T | Exception], None]) -> None:
        """Run `job()` on the thread, after earlier ones; then `done(its result, or what it raised)` on the loop."""
        self._jobs.put((job, done))

    async def aclose(self) -> None:
        """End the thread when its job returns; a job that takes over five seconds more is left to the process's end."""
        self._jobs.put(None)
        await asyncio.wait([self._ended], timeout=_PATIENCE_S)
        if self._ended.done():
            self._thread.join()
        else:
            log.warning("model_thread_left", thread=self._thread.name)

    def _main(self) -> None:
        while (item := self._jobs.get()) is not None:
            job, done = item
            try:
                outcome = job()
            except Exception as error:
                outcome = error
            self._answer(done, outcome)
            del item, job, done, outcome  # an idle thread must not keep a call's audio alive
        self._answer(self._ended.set_result, None)

    def _answer(self, callback: Callable[..., None], value: object) -> None:
        with suppress(RuntimeError):  # the loop was closed without us: nobody is left to answer
            self._loop.call_soon_threadsafe(callback, value)


def reason(error: Exception) -> str:
    """What `ModelFailed.reason` says of an exception: never more than our own words, for it is logged."""
    return str(error) if isinstance(error, ModelError) else type(error).__name__
