"""The practice's diary and message book: a SQLite database."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

WORKING_DAYS_AHEAD = 14
STARTS = tuple(time(hour, minute) for hour in (9, 10, 11, 14, 15, 16) for minute in (0, 30))
"""Starts of the half-hour appointments of a working day."""

_TABLES = """
CREATE TABLE IF NOT EXISTS slots (
    start TEXT PRIMARY KEY,  -- local time, ISO 8601 to the minute
    name TEXT,               -- who has booked it, NULL while it is free
    caller TEXT
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY,
    taken_at TEXT NOT NULL,
    caller TEXT NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL
);
"""


class Diary:
    """Free and booked appointments, and messages. Every method runs on a thread; one connection, one statement at a
    time, and the database itself decides who gets a slot, so that other processes may share it."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._lock = threading.Lock()

    @classmethod
    async def open(cls, path: Path, today: date) -> "Diary":
        """Open the database at `path`, made if missing, with free slots for the next 14 working days after `today`."""

        def connect() -> sqlite3.Connection:
            path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(path, timeout=5.0, check_same_thread=False, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_TABLES)
            days = [day for n in range(40) if (day := today + timedelta(days=n)).weekday() < 5][
                : WORKING_DAYS_AHEAD + 1
            ]
            starts = [(_key(datetime.combine(day, at)),) for day in days for at in STARTS]
            with connection:
                connection.executemany("INSERT OR IGNORE INTO slots (start) VALUES (?)", starts)
            return connection

        return cls(await asyncio.to_thread(connect))

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    async def free(self, since: datetime, until: datetime) -> list[datetime]:
        """Starts of free slots in [since, until), in order."""
        rows = await self._run(
            lambda db: db.execute(
                "SELECT start FROM slots WHERE name IS NULL AND start >= ? AND start < ? ORDER BY start",
                (_key(since), _key(until)),
            ).fetchall()
        )
        return [datetime.fromisoformat(start) for (start,) in rows]

    async def book(self, start: datetime, name: str, caller: str) -> bool:
        """Book the slot at `start`; False when there is none or it is not free (any more)."""
        changed = await self._run(
            lambda db: (
                db.execute(
                    "UPDATE slots SET name = ?, caller = ? WHERE start = ? AND name IS NULL",
                    (name, caller, _key(start)),
                ).rowcount
            )
        )
        return changed == 1

    async def take_message(self, at: datetime, caller: str, name: str, text: str) -> None:
        await self._run(
            lambda db: db.execute(
                "INSERT INTO messages (taken_at, caller, name, text) VALUES (?, ?, ?, ?)",
                (_key(at), caller, name, text),
            )
        )

    async def _run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        def locked() -> T:
            with self._lock:
                return work(self._connection)

        return await asyncio.to_thread(locked)


def _key(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="minutes")
