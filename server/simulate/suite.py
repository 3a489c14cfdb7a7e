"""What callers are simulated and what is expected of the agent: a TOML file.

    now = 2026-11-24T08:40:00         # the agent's clock, in text mode
    database = "clinic.sqlite"        # of the agent's tools, for rows

    [[claim]]                         # never said unless it is so
    says = "booked|réservé"
    row = "SELECT 1 FROM slots WHERE name IS NOT NULL"

    [[scenario]]
    name = "book"
    language = "en"
    rows = [{ query = "SELECT 1 FROM slots WHERE start = '{tomorrow}T09:30'" }]

    [[scenario.turn]]                 # a scripted caller ...
    say = "I'd like an appointment tomorrow at nine thirty. My name is Alice Martin."
    calls = [{ tool = "book_slot", arguments = { name = "Alice" } }]

    [[scenario]]
    name = "book in a hurry"
    persona = "You are Alice Martin, and in a hurry."      # ... or one that a language model plays
    goal = "Get an appointment tomorrow morning."

What is expected stands at a turn (of the answer to it) or at the scenario (of the call as a whole). Patterns are regular expressions, matched anywhere and
in any case. `{today}`, `{tomorrow}`, `{monday}` ... (the next one after today) stand for dates, as 2026-11-25.
"""

import re
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import pydantic
from pydantic import AfterValidator, Field, model_validator

from pipelines.errors import ConfigError
from pipelines.problems import explain, listed, read_table
from server.agent_config import Language, Section, VoiceSettings
from server.model_config import LlmSettings


def _compiles(pattern: str) -> str:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}. Mend it.") from None
    return pattern


Pattern = Annotated[str, AfterValidator(_compiles)]


class Use(Section):
    """A tool call: `arguments`: by name, a pattern that its value must match."""

    tool: str
    arguments: dict[str, Pattern] = Field({})


class Row(Section):
    """Rows that `query` must give in the agent's database: `least` of them, and not more than `most`."""

    query: str
    least: int = Field(1, ge=0)
    most: int | None = None


class Expected(Section):
    """`calls`, `never_calls`: tools ("*": any); `says`, `never_says`: patterns of the agent's words; `rows`: of the database; `asks`: questions for a
    language model that reads the conversation, which it must answer with yes (with `--judge` only)."""

    calls: list[str | Use] = Field([])
    never_calls: list[str] = Field([])
    says: list[Pattern] = Field([])
    never_says: list[Pattern] = Field([])
    hangs_up: bool | None = None
    transfers: bool | None = None
    rows: list[Row] = Field([])
    asks: list[str] = Field([])


class Line(Expected):
    """What a scripted caller says next, and what is expected of the answer."""

    say: str = Field(min_length=1)


class Claim(Section):
    """What the agent must not say (`says`) unless `row` gives at least one row by then, or `tool` was called: it would be a lie."""

    says: Pattern
    row: str = ""
    tool: str = ""

    @model_validator(mode="after")
    def _one(self) -> "Claim":
        if bool(self.row) == bool(self.tool):
            raise ValueError("a claim is true by a `row` or by a `tool`. Give one of them.")
        return self


class Scenario(Expected):
    """One caller. `turn`: what he says, scripted; or `persona` and `goal`, for a language model that plays him in `language`. `most_turns`: of his."""

    name: str = Field(min_length=1)
    language: Language = "en"
    caller: str = "+15550100"
    turn: list[Line] = Field([])
    persona: str = ""
    goal: str = ""
    most_turns: int = Field(12, ge=1)

    @model_validator(mode="after")
    def _one_way(self) -> "Scenario":
        if bool(self.turn) == bool(self.goal):
            raise ValueError("a caller is scripted or played. Give either [[scenario.turn]] or a `goal`.")
        return self


class Suite(Section):
    """`now`: local time at which each call begins, in text mode, none: now; `agent`: of the configuration, none: its first; `database`: of the agent's tools, a file
    in their data folder; `longest`: characters that one answer may have; `caller`, `judge`: language models that play and judge, none: the
    agent's own; `voices`: of the callers, by language, none: the agent's."""

    now: datetime | None = None
    agent: str = ""
    database: str = ""
    longest: int = Field(300, ge=1)
    caller: LlmSettings | None = None
    judge: LlmSettings | None = None
    voices: dict[Language, VoiceSettings] = Field({})
    claim: list[Claim] = Field([])
    scenario: list[Scenario] = Field(min_length=1)

    @model_validator(mode="after")
    def _named_once(self) -> "Suite":
        names = [scenario.name for scenario in self.scenario]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two scenarios are called {', '.join(twice)}. Give each its own name.")
        return self


def load_suite(path: Path) -> Suite:
    """Raises ConfigError with every problem."""
    table = read_table(path, error=ConfigError, mend="Name a suite, a TOML file with [[scenario]] tables.")
    try:
        return Suite.model_validate(table, context=path.parent)
    except pydantic.ValidationError as error:
        raise ConfigError(listed(path, explain(error, Suite))) from None


def dated(text: str, today: date) -> str:
    """`text` with dates in place of {today}, {tomorrow}, {monday} ..."""
    days = {"today": today, "tomorrow": today + timedelta(days=1)}
    for ahead in range(1, 8):
        day = today + timedelta(days=ahead)
        days[_WEEKDAYS[day.weekday()]] = day
    for name, day in days.items():
        text = text.replace(f"{{{name}}}", day.isoformat())
    return text


_WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
