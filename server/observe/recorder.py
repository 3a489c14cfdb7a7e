"""Writing call dumps while calls go on, without ever holding one up.

    event loop                                   the recorder's thread, every 0.5 s
    Recording.write: a step into memory    ->    append every call's bytes to its files, then prune
                     (lock, encode: ~2 us)       (`write` lets go of the interpreter lock)

With a key, the thread seals what it appends (`pipelines/replay/sealed.py`), and closes each file when the call is over.

A killed process loses what was written in the last half second. A disk that is slow or full costs the recording, never
the call: when a call has `pending_bytes` waiting, or a write fails, its recording stops where it is, is counted, and
what is on disk stays readable. Files are opened for each flush rather than held open: 250 calls need no thousand
descriptors.
"""

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from pipelines.actions import Action, Turn, TurnTaken
from pipelines.analysis.cards import has_card
from pipelines.events import Event
from pipelines.replay.dump import META, TRANSCRIPT, Meta, Pages, encode_meta, encode_transcript, folder_name
from pipelines.replay.sealed import PLAIN, Keys, Seal
from server.observe.retention import Retention

FLUSH_S = 0.5
PRUNE_S = 60.0
_STOP_S = 10.0  # patience with a stuck disk at shutdown
_REDACT_S = 60.0  # patience with redaction at shutdown
_QUIET_S = 60.0  # between two log lines about a disk that is slow or full

_log = structlog.get_logger()


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What recording may cost. 0: no limit, for the first two.

    `max_age_s`: seconds after its start at which a dump is removed. `max_bytes`: total size of all dumps; the oldest go
    first. `pending_bytes`: memory that one call may hold while the disk is behind (a call makes about 40 kB a second; a
    long reply's synthesis comes in bursts of several hundred).
    """

    max_age_s: float = 30 * 86_400.0
    max_bytes: int = 20 << 30
    pending_bytes: int = 1 << 20


class Recording:
    """One call being recorded. All methods are for the event loop, return at once and never raise."""

    def __init__(self, meta: Meta, path: Path, pending_bytes: int, wake: Callable[[], None]) -> None:
        self.meta = meta
        self.path = path
        self._pending_bytes = pending_bytes
        self._wake = wake
        self._lock = threading.Lock()
        self._pages = Pages()
        self._turns: list[Turn] = []
        self._asked = ""  # "close" or "discard"
        self._begun = False  # the folder was made
        self._seals: dict[str, Seal] = {}
        self._stopped = False  # nothing more is taken: the disk is behind, or failed
        self._reported = False  # that it stopped was said
        self._fault = ""  # why a step could not be written
        self._done: Future[Path | None] = Future()
        self._done.set_running_or_notify_cancel()  # who waits for it and is cancelled does not cancel it

    def write(self, at: int, event: Event, actions: Iterable[Action]) -> None:
        """Record one step: an event, its call time in microseconds, and what the call decided."""
        if self._stopped or self._asked:
            return
        with self._lock:
            pages = self._pages
            try:
                pages.add(at, event, actions)
            except (UnicodeError, msgspec.MsgspecError) as error:  # half a surrogate pair, out of somebody's JSON
                self._fault = type(error).__name__
            self._stopped = bool(self._fault) or len(pages) > self._pending_bytes
        for action in actions:
            if type(action) is TurnTaken:
                self._turns.append(action.turn)

    def close(self) -> Future[Path | None]:
        """The call is over. The future holds the folder once all is on disk, or None when the dump is not whole; it may
        be ignored, or awaited with `asyncio.wrap_future`."""
        return self._ask("close")

    def discard(self) -> Future[Path | None]:
        """The caller did not consent: delete whatever was written, and write no more. To be called before `close`."""
        return self._ask("discard")

    def _ask(self, what: str) -> Future[Path | None]:
        self._asked = self._asked or what
        self._wake()
        return self._done

    def _take(self) -> tuple[str, Pages]:
        """The thread's side: what was asked, and the bytes to be written before."""
        with self._lock:
            pages, self._pages = self._pages, Pages()
            return self._asked, pages


class Recorder:
    """Records calls under one root folder, with one thread for all of them."""

    def __init__(
        self,
        root: Path,
        limits: Limits | None = None,
        count: Callable[[str], None] = lambda what: None,
        redact: Callable[[Path], bool] | None = None,
        keys: Keys = PLAIN,
    ) -> None:
        """`count` is called, on any thread, once for each "recorded", "discarded", "overrun" (the disk was too slow),
        "failed" (the disk refused, or a step could not be written, or a card number could not be taken out) and "removed" (by the limits).
        `redact`: takes card numbers out of a finished dump that seems to hold one, and says whether that was done; it may take its time. A dump of which it
        was not done is removed. `keys`: the first seals what is written. Raises OSError when `root` cannot be made."""
        self._redact = redact
        self._keys = keys
        self._redacting: list[threading.Thread] = []
        self.root = root
        self._limits = limits or Limits()
        self._count = count
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._retention = Retention(root, self._limits.max_age_s, self._limits.max_bytes)
        self._lock = threading.Lock()
        self._recordings: list[Recording] = []
        self._quiet_until = 0.0
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def open(self, meta: Meta) -> Recording:
        """Start recording a call."""
        recording = Recording(meta, self.root / folder_name(meta), self._limits.pending_bytes, self._wake.set)
        with self._lock:
            self._recordings.append(recording)
        return recording

    def close(self) -> None:
        """Put everything on disk and stop the thread. Blocks: not for the event loop."""
        self._stopping = True
        self._wake.set()
        self._thread.join(_STOP_S)
        for thread in self._redacting:
            thread.join(_REDACT_S)

    # ---- the thread

    def _run(self) -> None:
        prune_at = time.monotonic()
        while True:
            stopping = self._stopping  # read before the flush: what came before the stop is flushed
            self._wake.clear()
            with self._lock:
                recordings = list(self._recordings)
            over = [recording for recording in recordings if self._flush(recording)]
            if over:
                with self._lock:
                    self._recordings = [recording for recording in self._recordings if recording not in over]
            if stopping:
                for recording in self._recordings:  # of calls that outlive the recorder: not whole
                    recording._done.set_result(None)
                return
            if time.monotonic() >= prune_at:
                self._prune()
                prune_at = time.monotonic() + PRUNE_S
            self._wake.wait(FLUSH_S)

    def _flush(self, recording: Recording) -> bool:
        """Write what a call has gained. True when there will be no more."""
        asked, pages = recording._take()
        outcome, kept = "", None
        try:
            if asked == "discard":
                if recording._begun:
                    _remove(recording.path)
                outcome = "discarded"
            elif not recording._reported:
                if pages or asked:
                    self._append(recording, pages, last=bool(asked))
                if recording._fault:
                    self._stop(recording, "failed", recording._fault)
                elif recording._stopped:
                    self._stop(recording, "overrun", "the disk is slower than the calls")
                elif asked:
                    self._create(recording.path / TRANSCRIPT, encode_transcript(recording._turns))
                    if self._redact is not None and _tells_card(recording._turns):
                        self._clean(recording, self._redact)
                        return True
                    outcome, kept = "recorded", recording.path
        except OSError as error:
            reason = error.strerror or type(error).__name__
            self._stop(recording, "failed", reason)
            if asked == "discard":
                _log.error(
                    "recording_not_discarded", call_id=recording.meta.call_id, reason=reason, dump=recording.path.name
                )
        if outcome:
            self._count(outcome)
        if asked:
            recording._done.set_result(kept)
        return bool(asked)

    def _append(self, recording: Recording, pages: Pages, *, last: bool) -> None:
        folder = recording.path
        if not recording._begun:  # and never again: a folder that somebody removed is not begun in the middle
            folder.mkdir(mode=0o700)
            recording._begun = True
            recording._seals = {name: self._keys.seal(name) for name, _ in pages.files()}
            self._create(folder / META, encode_meta(recording.meta))
        for name, data in pages.files():
            if grown := recording._seals[name].add(data, last=last):
                _write(folder / name, os.O_APPEND, grown)

    def _create(self, path: Path, data: bytes) -> None:
        """Whole or not at all: readers look while we write."""
        partial = path.with_suffix(".partial")
        _write(partial, os.O_TRUNC, self._keys.sealed(data, path.name))
        partial.rename(path)

    def _clean(self, recording: Recording, redact: Callable[[Path], bool]) -> None:
        """Take card numbers out, on a thread that nobody waits for; the recording is done when they are."""

        def clean() -> None:
            kept: Path | None = recording.path
            if not redact(recording.path):
                kept = None
                shutil.rmtree(recording.path, ignore_errors=True)
                _log.error("recording_not_redacted", call_id=recording.meta.call_id, dump=recording.path.name)
            self._count("recorded" if kept else "failed")
            recording._done.set_result(kept)

        thread = threading.Thread(target=clean, name="redaction", daemon=True)
        self._redacting = [other for other in self._redacting if other.is_alive()] + [thread]
        thread.start()

    def _stop(self, recording: Recording, outcome: str, reason: str) -> None:
        """Give a call's recording up, not the call; it is remembered until the call ends, since it may be discarded."""
        recording._stopped = recording._reported = True
        self._count(outcome)
        if time.monotonic() >= self._quiet_until:  # one line for a full disk, however many calls it costs
            self._quiet_until = time.monotonic() + _QUIET_S
            _log.error(f"recording_{outcome}", call_id=recording.meta.call_id, reason=reason, root=str(self.root))

    def _prune(self) -> None:
        with self._lock:
            writing = [recording.path for recording in self._recordings]
        try:
            removed = self._retention.prune(datetime.now(UTC), writing)
        except OSError as error:
            _log.warning("dumps_not_pruned", reason=error.strerror, root=str(self.root))
            return
        for _ in range(removed):
            self._count("removed")


def _tells_card(turns: Sequence[Turn]) -> bool:
    said = [turn.text for turn in turns if turn.party == "caller"]
    return has_card(said) or any(has_card([turn.text]) for turn in turns)


# ---- files


def _write(path: Path, flags: int, data: bytes | bytearray) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | flags, 0o600)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    finally:
        os.close(descriptor)


def _remove(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
