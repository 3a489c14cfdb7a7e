"""Who held up the event loop: a thread that knocks every 20 ms, and looks at the loop's stack when nobody opens for 50 ms.

All calls share the loop, so a stall is heard in every one of them. Each is counted and logged with where it happened; the same place is
logged once a minute. A stall in native code that keeps the interpreter lock keeps this thread waiting too: it is then known how long it
lasted, and not where.
"""

import asyncio
import sys
import threading
import time
import traceback
from collections.abc import Callable

import structlog

LIMIT_S = 0.05
PERIOD_S = 0.02
_AGAIN_S = 60.0
_FRAMES = 12
_PLACES = 1_000

log = structlog.get_logger()


class StallWatch:
    """Watches the running loop from its making until `close`."""

    def __init__(self, stalled: Callable[[float], None], clock: Callable[[], float] = time.monotonic) -> None:
        """`stalled` is called on the watching thread with the seconds that a stall lasted."""
        self._loop = asyncio.get_running_loop()
        self._loop_thread = threading.get_ident()
        self._stalled, self._clock = stalled, clock
        self._said: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="stall-watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(1.0)

    def _watch(self) -> None:
        while not self._stop.wait(PERIOD_S):
            opened = threading.Event()
            since = self._clock()
            try:
                self._loop.call_soon_threadsafe(opened.set)
            except RuntimeError:  # the loop is closed
                return
            if opened.wait(LIMIT_S):
                continue
            frame = sys._current_frames().get(self._loop_thread)
            stack = traceback.extract_stack(frame, limit=None)[-_FRAMES:] if frame and not opened.is_set() else []
            del frame  # it would keep all that its locals hold
            while not opened.wait(LIMIT_S):
                if self._stop.is_set():
                    return
            self._report(self._clock() - since, stack)

    def _report(self, seconds: float, stack: list[traceback.FrameSummary]) -> None:
        self._stalled(seconds)
        place = f"{stack[-1].filename}:{stack[-1].lineno}" if stack else ""
        now = self._clock()
        if now - self._said.get(place, -_AGAIN_S) < _AGAIN_S:
            return
        if len(self._said) >= _PLACES:
            self._said.clear()
        self._said[place] = now
        where = [
            f"{frame.filename}:{frame.lineno} {frame.name}" for frame in stack
        ]  # no locals: they hold callers' words
        log.warning("event_loop_stalled", seconds=round(seconds, 3), where=where or "in native code")
