"""The index of recorded calls: an SQLite file beside them, made of them, and made anew when it is lost or of another version.

It blocks, and is used by one thread at a time. What is forgotten is overwritten in the file (`secure_delete`), and the words' table is
rewritten, so that no bytes of a deleted call stay behind. Of recordings that are sealed it is made in memory: no file has their words.
"""

import os
import sqlite3
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from pathlib import Path

import msgspec

from server.agent_config import plain_number
from server.console.entries import Entry
from server.console.search import PAGE, Search

FILE = "index.sqlite"
_VERSION = 1
_COLUMNS = tuple(name for name in Entry.__struct_fields__ if name != "words")
_WAIT_S = 10.0  # for another process that writes
_MARKS = "\x01", "\x02"  # around words that were found

_SCHEMA = f"""
CREATE TABLE calls (
    id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, stamp INTEGER NOT NULL, started REAL NOT NULL, seconds REAL NOT NULL,
    call_id TEXT NOT NULL, carrier TEXT NOT NULL, agent TEXT NOT NULL, caller TEXT NOT NULL, called TEXT NOT NULL,
    outcome TEXT NOT NULL, turns INTEGER NOT NULL, gap REAL, longest REAL, interruptions INTEGER NOT NULL, complete INTEGER NOT NULL
) STRICT;
CREATE INDEX calls_by_start ON calls (started DESC);
CREATE VIRTUAL TABLE words USING fts5 (said, tokenize = "unicode61 remove_diacritics 2");
PRAGMA user_version = {_VERSION};
"""


class Found(msgspec.Struct, frozen=True):
    """A call of a list. `said`: what was found in its words, as (text, whether it is what was looked for)."""

    entry: Entry
    said: tuple[tuple[str, bool], ...] = ()


class Listing(msgspec.Struct, frozen=True):
    """A page of a search: `total` calls answer to it."""

    calls: tuple[Found, ...]
    total: int


class Choices(msgspec.Struct, frozen=True):
    """What calls there are by: values of these columns, and how many calls in all."""

    agents: tuple[str, ...]
    carriers: tuple[str, ...]
    outcomes: tuple[str, ...]
    calls: int


class Index:
    """The index of the dumps below `root`."""

    def __init__(self, root: Path, *, in_memory: bool = False) -> None:
        """`in_memory`: no file is made, and one from before is removed. Raises sqlite3.Error and OSError when the file can neither be opened nor made."""
        self._path = root / FILE
        self._in_memory = in_memory
        if in_memory:
            self._discard()
        try:
            self._open()
        except sqlite3.OperationalError:  # locked, or the disk: not the file's fault
            raise
        except sqlite3.DatabaseError:  # no database, or a broken one: it holds nothing that the dumps do not
            self._discard()
            self._open()

    def _open(self) -> None:
        if not self._in_memory:
            os.close(os.open(self._path, os.O_CREAT | os.O_WRONLY, 0o600))
        place = ":memory:" if self._in_memory else self._path
        self._db = db = sqlite3.connect(place, timeout=_WAIT_S, isolation_level=None, check_same_thread=False)
        try:
            db.execute("PRAGMA journal_mode = TRUNCATE")
            db.execute("PRAGMA synchronous = NORMAL")
            db.execute("PRAGMA secure_delete = ON")
            db.execute("PRAGMA temp_store = MEMORY")
            version = db.execute("PRAGMA user_version").fetchone()[0]
            if version != _VERSION:
                if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
                    raise sqlite3.DatabaseError(f"version {version}")
                db.executescript(_SCHEMA)
            db.execute("SELECT count(*) FROM words")
        except sqlite3.DatabaseError:
            db.close()
            raise

    def _discard(self) -> None:
        for path in (self._path, self._path.with_name(FILE + "-journal")):
            with suppress(FileNotFoundError):
                path.unlink()

    def close(self) -> None:
        self._db.close()

    # ---- what is in it

    def stamps(self) -> dict[str, int]:
        """Of every call, by the name of its folder."""
        return dict(self._db.execute("SELECT name, stamp FROM calls"))

    def put(self, entries: Iterable[Entry]) -> None:
        """Add calls, or what they have become."""
        marks = ", ".join("?" * len(_COLUMNS))
        sets = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[1:])
        sql = f"INSERT INTO calls ({', '.join(_COLUMNS)}) VALUES ({marks}) ON CONFLICT (name) DO UPDATE SET {sets} RETURNING id"
        again = 0
        with _transaction(self._db):
            for entry in entries:
                values = [_storable(getattr(entry, name)) for name in _COLUMNS]
                [row] = self._db.execute(sql, values).fetchall()
                again += self._db.execute("DELETE FROM words WHERE rowid = ?", row).rowcount
                self._db.execute("INSERT INTO words (rowid, said) VALUES (?, ?)", (*row, _storable(entry.words)))
            if again:  # what was taken out of a recording is not to be found here either
                self._db.execute("INSERT INTO words (words) VALUES ('rebuild')")

    def drop(self, names: Collection[str]) -> None:
        """Forget calls, for good."""
        if not names:
            return
        with _transaction(self._db):
            for name in names:
                self._db.execute("DELETE FROM words WHERE rowid = (SELECT id FROM calls WHERE name = ?)", (name,))
                self._db.execute("DELETE FROM calls WHERE name = ?", (name,))
            self._db.execute("INSERT INTO words (words) VALUES ('rebuild')")

    # ---- questions

    def search(self, search: Search, handle: Callable[[str], str] = lambda number: "") -> Listing:
        """A page of what answers to it, the youngest call first. `handle`: what stands for a number."""
        self._db.create_function("handle", 1, handle, deterministic=True)
        where, values = _where(search)
        total = self._db.execute(f"SELECT count(*) FROM calls {where}", values).fetchone()[0]
        columns = ", ".join(f"calls.{name}" for name in _COLUMNS)
        page = f"SELECT id, {columns} FROM calls {where} ORDER BY started DESC, name DESC LIMIT ? OFFSET ?"
        rows = self._db.execute(page, (*values, PAGE, (search.page - 1) * PAGE)).fetchall()
        said = self._said(search, [row[0] for row in rows])
        return Listing(tuple(Found(_entry(row[1:]), said.get(row[0], ())) for row in rows), total)

    def _said(self, search: Search, ids: list[int]) -> dict[int, tuple[tuple[str, bool], ...]]:
        """Around the words that were looked for, by call."""
        if not search.terms() or not ids:
            return {}
        marks = ", ".join("?" * len(ids))
        # The plus: SQLite would look for the words anew for each of the calls, at ten times the cost.
        sql = f"SELECT rowid, snippet(words, 0, ?, ?, '…', 14) FROM words WHERE words MATCH ? AND +rowid IN ({marks})"
        return {rowid: _parts(text) for rowid, text in self._db.execute(sql, (*_MARKS, search.terms(), *ids))}

    def choices(self) -> Choices:
        one = {}
        for column in ("agent", "carrier", "outcome"):
            found = self._db.execute(f"SELECT DISTINCT {column} FROM calls WHERE {column} != '' ORDER BY 1 LIMIT 200")
            one[column] = tuple(row[0] for row in found)
        calls = self._db.execute("SELECT count(*) FROM calls").fetchone()[0]
        return Choices(one["agent"], one["carrier"], one["outcome"], calls)

    def of_number(self, number: str) -> list[str]:
        """Names of the calls from or to that number, however it is written; none for what holds no digit."""
        wanted = plain_number(number)
        if not any(c.isalnum() for c in wanted):
            return []
        rows = self._db.execute("SELECT name, caller, called FROM calls ORDER BY name")
        return [name for name, *parties in rows if wanted in map(plain_number, parties)]

    def of_call(self, call: str) -> list[str]:
        """Names of the calls with that id, or of the one whose folder is called so."""
        rows = self._db.execute("SELECT name FROM calls WHERE call_id = ? OR name = ? ORDER BY name", (call, call))
        return [row[0] for row in rows]


class _transaction:
    """All of it or nothing."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __enter__(self) -> None:
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind: object, *_: object) -> None:
        self._db.execute("COMMIT" if kind is None else "ROLLBACK")


def _where(search: Search) -> tuple[str, list[object]]:
    clauses: dict[str, object] = {
        "started >= ?": search.begins(),
        "started < ?": search.ends(),
        "agent = ?": search.agent or None,
        "carrier = ?": search.carrier or None,
        "outcome = ?": search.outcome or None,
        "longest >= ?": search.gap,
        "? IN (handle(caller), handle(called))": search.number or None,
        "id IN (SELECT rowid FROM words WHERE words MATCH ?)": search.terms() or None,
    }
    given = {clause: value for clause, value in clauses.items() if value is not None}
    return (f"WHERE {' AND '.join(given)}" if given else ""), list(given.values())


def _storable(value: object) -> object:
    """SQLite takes no half of a surrogate pair."""
    return value.encode(errors="replace").decode() if isinstance(value, str) else value


def _entry(row: tuple) -> Entry:
    fields = dict(zip(_COLUMNS, row, strict=True))
    return Entry(**fields | {"complete": bool(fields["complete"])})


def _parts(text: str) -> tuple[tuple[str, bool], ...]:
    """Marked text, taken apart."""
    before, *found = text.split(_MARKS[0])
    parts = [(before, False)]
    for piece in found:
        word, _, rest = piece.partition(_MARKS[1])
        parts += [(word, True), (rest, False)]
    return tuple(part for part in parts if part[0])
