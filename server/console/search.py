"""What an operator looks for, read from an address that may say anything."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta

import msgspec

from server.console.numbers import SHAPE

PAGE = 50
"""Calls of one page: what is drawn at once costs all calls under way."""
_PAGES = 10_000
_TERMS = 12
_LONGEST = 200  # characters of any one field
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


class Search(msgspec.Struct, frozen=True):
    """`since`, `until`: days, both included, UTC; `gap`: seconds that the longest response gap is not below; `words`: all of them must
    be said; `number`: what stands for the number that called or was called (`numbers.py`). "" and None: whatever."""

    since: date | None = None
    until: date | None = None
    agent: str = ""
    carrier: str = ""
    outcome: str = ""
    words: str = ""
    gap: float | None = None
    number: str = ""
    page: int = 1

    @classmethod
    def read(cls, query: Mapping[str, str]) -> "Search":
        """What makes no sense counts as not said."""
        return cls(
            since=_day(query.get("since", "")),
            until=_day(query.get("until", "")),
            agent=_text(query.get("agent", "")),
            carrier=_text(query.get("carrier", "")),
            outcome=_text(query.get("outcome", "")),
            words=_text(query.get("words", "")),
            gap=_number(query.get("gap", "")),
            number=number if SHAPE.fullmatch(number := query.get("number", "")) else "",
            page=int(_number(query.get("page", ""), _PAGES) or 1) or 1,
        )

    def query(self, **changed: object) -> dict[str, str]:
        """The fields of an address that asks for the same, but for what is `changed`."""
        fields = {name: getattr(self, name) for name in self.__struct_fields__} | changed
        if fields["page"] == 1:
            del fields["page"]
        return {name: f"{value:g}" if name == "gap" else str(value) for name, value in fields.items() if value}

    @property
    def narrowed(self) -> bool:
        return bool(self.query(page=1))

    def begins(self) -> float | None:
        """Unix time."""
        return _midnight(self.since) if self.since else None

    def ends(self) -> float | None:
        """Unix time, no longer included."""
        return _midnight(self.until) + timedelta(days=1).total_seconds() if self.until else None

    def terms(self) -> str:
        """`words` in the language of SQLite's full text search: each is quoted, so that none is an operator, and the last may go on."""
        found = ['"' + word.replace('"', '""') + '"' for word in self.words.split() if any(c.isalnum() for c in word)]
        return " ".join(found[:_TERMS]) + "*" if found else ""


def _midnight(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


def _text(said: str) -> str:
    return _CONTROL.sub(" ", said[:_LONGEST].encode(errors="replace").decode()).strip()


def _day(said: str) -> date | None:
    try:
        return date.fromisoformat(said[:10])
    except ValueError:
        return None


def _number(said: str, most: float = 3_600) -> float | None:
    """From 0 to `most`."""
    try:
        value = float(said[:12].replace(",", "."))
    except ValueError:
        return None
    return value if 0 < value <= most else None
