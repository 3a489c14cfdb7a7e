"""Recorded calls as a server keeps track of them: the index follows the folder, on one thread of its own.

    recording closes -> its entry is read and put
    every minute, and at start: folders are compared with the index by name and stamp; what is new is read, what is gone is dropped

A scan reads a few dozen calls at a time, so that a search never waits for a thousand of them. Nothing here holds up a call: an index
that cannot be had costs the list of past calls, and is said in the log.
"""

import asyncio
import shutil
import sqlite3
from collections.abc import Callable, Collection
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import structlog

from pipelines.errors import AlloError, DumpError
from pipelines.replay.sealed import PLAIN, Keys, SealedError
from server.console.entries import Entry, folder_of, folders, read_entry, stamp_of
from server.console.index import Index

SCAN_S = 60.0
_PIECE = 24  # calls read in one go
_BREATH_S = 0.02  # between two pieces, for calls under way

T = TypeVar("T")

log = structlog.get_logger()


class ArchiveError(AlloError):
    """The index cannot be read, or a call not be removed."""


class Archive:
    """Opened with `Archive(root, writing, gone, keys)` on the event loop, closed once. `writing()`: names of the folders of calls under way;
    `gone(name)` is told of each call that is no longer there, whoever removed it."""

    def __init__(
        self,
        root: Path,
        writing: Callable[[], Collection[str]] = lambda: (),
        gone: Callable[[str], None] = lambda name: None,
        keys: Keys = PLAIN,
    ) -> None:
        self.root = root.absolute()
        self._writing, self._gone, self._keys = writing, gone, keys
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="archive")
        self._index: Index | None = None
        self._wanted = asyncio.Event()  # a scan before its time
        self.scanned = asyncio.Event()
        """Set once the index has met the folder."""
        self._errands: set[asyncio.Task[None]] = set()
        self.closing: set[str] = set()
        """Folders of calls that are over, but still being written, or freed of card numbers."""
        self.unopened: frozenset[str] = frozenset()
        """Folders of calls that are sealed with a key that is not here."""
        self._scanning = asyncio.create_task(self._scan_on(), name="archive")

    async def close(self) -> None:
        for task in (self._scanning, *self._errands):
            task.cancel()
        await asyncio.gather(self._scanning, *self._errands, return_exceptions=True)
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
        if self._index is not None:
            self._index.close()

    # ---- what comes in

    def take(self, name: str, recorded: Future[Path | None]) -> None:
        """A call is over; `recorded` will hold its folder, which is called `name`, or None. Returns at once."""
        self.closing.add(name)
        task = asyncio.create_task(self._take(name, recorded))
        self._errands.add(task)
        task.add_done_callback(self._errands.discard)

    async def _take(self, name: str, recorded: Future[Path | None]) -> None:
        try:
            folder = await asyncio.wrap_future(recorded)
        finally:
            self.closing.discard(name)
        if folder is not None:
            with suppress(ArchiveError):  # said already; the next scan tries again
                await self.ask(lambda index: index.put(_read([folder], self._keys)[0]))

    async def _scan_on(self) -> None:
        while True:
            self._wanted.clear()
            with suppress(ArchiveError):
                await self._scan()
            self.scanned.set()
            with suppress(TimeoutError):
                async with asyncio.timeout(SCAN_S):
                    await self._wanted.wait()

    async def _scan(self) -> None:
        gone, new = await self.ask(lambda index: _differences(index, self.root))
        writing = {
            *self._writing(),
            *self.closing,
        }  # asked after the look at the folder: a call may have begun before it
        new = [folder for folder in new if folder.name not in writing]
        if gone:
            await self.ask(lambda index: index.drop(gone))
            for name in gone:
                self._gone(name)
        unopened: set[str] = set()
        for first in range(0, len(new), _PIECE):
            piece = new[first : first + _PIECE]
            unopened |= await self.ask(lambda index, piece=piece: _taken_in(index, piece, self._keys))
            await asyncio.sleep(_BREATH_S)
        if unopened - self.unopened:
            log.warning(
                "dumps_not_opened", calls=len(unopened), root=str(self.root), mend="add their key to recording.key"
            )
        self.unopened = frozenset(unopened)

    # ---- questions

    async def ask(self, question: Callable[[Index], T]) -> T:
        """Put a question to the index, on its thread. Raises ArchiveError when there is no index to be had."""
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask, question)
        except (sqlite3.Error, OSError) as error:
            log.warning("index_failed", error=type(error).__name__, root=str(self.root))
            raise ArchiveError(f"the index of {self.root} cannot be used ({type(error).__name__})") from None

    def _ask(self, question: Callable[[Index], T]) -> T:
        if self._index is None:
            self._index = Index(self.root, in_memory=bool(self._keys))
        return question(self._index)

    async def entry(self, name: str) -> Entry | None:
        """What the index would keep of a call that is on disk, read now; None where there is none."""

        def read() -> Entry | None:
            folder = folder_of(self.root, name)
            return next(iter(_read([folder], self._keys)[0]), None) if folder is not None else None

        return await asyncio.get_running_loop().run_in_executor(self._thread, read)

    # ---- going

    async def of_number(self, number: str) -> list[str]:
        """Names of the recorded calls from or to that number, but for those under way. The folder is looked through first: what was
        recorded in the last minute counts too. Raises ArchiveError also when there are calls of which nobody here knows the numbers."""
        await self._scan()
        if self.unopened:
            raise ArchiveError(not_opened(self.unopened))
        return await self.ask(lambda index: index.of_number(number))

    async def forget(self, names: Collection[str]) -> int:
        """Remove calls, from the disk and from the index; how many there were. Raises ArchiveError when one cannot be removed: the others
        are gone then."""
        try:
            return await self.ask(lambda index: remove(index, self.root, names))
        finally:
            for name in names:
                self._gone(name)


def remove(index: Index, root: Path, names: Collection[str]) -> int:
    """Remove calls' folders and their entries. Raises ArchiveError for folders that stay."""
    there, stay = 0, 0
    for name in names:
        folder = folder_of(root, name)
        if folder is None:
            continue
        there += 1
        shutil.rmtree(folder, ignore_errors=True)
        stay += folder.exists()
    index.drop(names)
    if stay:
        raise ArchiveError(f"{stay} of {there} calls could not be removed. Look at the rights of {root}.")
    return there


def scan(index: Index, root: Path, keys: Keys = PLAIN) -> set[str]:
    """Bring the index up to the folder, in one go; names of the calls that are sealed with a key that is not here."""
    gone, new = _differences(index, root)
    index.drop(gone)
    return _taken_in(index, new, keys)


def not_opened(names: Collection[str]) -> str:
    """Told to people."""
    calls = "1 recording is" if len(names) == 1 else f"{len(names)} recordings are"
    return f"{calls} sealed with a key that is not here: nobody can tell whose. Add the key to recording.key."


def _taken_in(index: Index, paths: Collection[Path], keys: Keys) -> set[str]:
    entries, unopened = _read(paths, keys)
    index.put(entries)
    return unopened


def _differences(index: Index, root: Path) -> tuple[list[str], list[Path]]:
    """(names that are gone, folders that are new or have changed, the youngest first)."""
    known, there = index.stamps(), folders(root)
    new = []
    for name in sorted(there, reverse=True):
        try:
            if known.get(name) != stamp_of(there[name]):
                new.append(there[name])
        except OSError:  # removed meanwhile
            continue
    return sorted(known.keys() - there.keys()), new


def _read(paths: Collection[Path], keys: Keys) -> tuple[list[Entry], set[str]]:
    """(entries of what can be read, names of what is sealed with another key); the rest is no call, or not one of this version."""
    entries, unopened = [], set()
    for folder in paths:
        try:
            entries.append(read_entry(folder, keys))
        except SealedError:
            unopened.add(folder.name)
        except (DumpError, OSError, ValueError) as error:
            log.debug("dump_not_indexed", dump=folder.name, error=type(error).__name__)
    return entries, unopened
