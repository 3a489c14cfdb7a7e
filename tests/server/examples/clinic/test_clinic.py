import asyncio
import sqlite3
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.adapters.agent.context import Spoken
from server.examples.clinic.clinic import clinic_tools
from server.examples.clinic.diary import STARTS, WORKING_DAYS_AHEAD, Diary
from tests.helpers.agent import NOW, context_of, invoke

TODAY = NOW.date()
TOMORROW_NINE = datetime(2026, 11, 25, 9, 0)


@pytest.fixture
async def diary(tmp_path: Path):
    opened = await Diary.open(tmp_path / "clinic.sqlite", TODAY)
    yield opened
    opened.close()


@pytest.fixture
def tools(diary: Diary):
    return {tool.name: tool for tool in clinic_tools(diary)}


def rows(tmp_path: Path, query: str) -> list[tuple]:
    with sqlite3.connect(tmp_path / "clinic.sqlite") as db:
        return db.execute(query).fetchall()


async def test_free_slots_reach_fourteen_working_days_ahead(diary: Diary) -> None:
    free = await diary.free(datetime(2026, 11, 25), datetime(2027, 1, 1))
    assert len({start.date() for start in free}) == WORKING_DAYS_AHEAD
    assert len(free) == WORKING_DAYS_AHEAD * len(STARTS)
    assert all(start.weekday() < 5 for start in free)


async def test_of_twenty_callers_one_gets_the_slot(diary: Diary, tmp_path: Path) -> None:
    other = await Diary.open(tmp_path / "clinic.sqlite", TODAY)  # as another process would
    got = await asyncio.gather(*((diary, other)[n % 2].book(TOMORROW_NINE, f"Caller {n}", "") for n in range(20)))
    other.close()
    assert sum(got) == 1
    assert rows(tmp_path, "SELECT name FROM slots WHERE name IS NOT NULL") == [(f"Caller {got.index(True)}",)]


async def test_a_booking_outlives_a_restart(diary: Diary, tmp_path: Path) -> None:
    assert await diary.book(TOMORROW_NINE, "Alice", "")
    diary.close()
    again = await Diary.open(tmp_path / "clinic.sqlite", TODAY + timedelta(days=1))
    assert not await again.book(TOMORROW_NINE, "Bob", "")
    assert TOMORROW_NINE not in await again.free(TOMORROW_NINE, TOMORROW_NINE + timedelta(hours=1))
    again.close()


async def test_booking_is_in_the_database_and_said(tools, tmp_path: Path) -> None:
    context = context_of(dialogue=[("caller", "tomorrow at nine thirty, I'm Alice Martin")])
    said = await invoke(tools["book_slot"], context, day="tomorrow", time="9:30", name="Alice Martin")
    assert isinstance(said, Spoken)
    assert said.startswith("You are booked tomorrow, Wednesday, November 25th at 9:30 AM")
    assert rows(tmp_path, "SELECT start, name, caller FROM slots WHERE name IS NOT NULL") == [
        ("2026-11-25T09:30", "Alice Martin", "+15550100")
    ]
    said = await invoke(tools["book_slot"], context, day="tomorrow", time="9:30", name="Alice Martin")
    assert said.startswith("That time is not free. Tomorrow")


async def test_arguments_are_only_data(tools, tmp_path: Path) -> None:
    name = "x'); DROP TABLE slots;--"
    context = context_of(dialogue=[("caller", f"tomorrow, {name}")])
    await invoke(tools["book_slot"], context, day="tomorrow", time="9:30", name=name)
    assert rows(tmp_path, "SELECT name FROM slots WHERE name IS NOT NULL") == [(name,)]


@pytest.mark.parametrize(
    ("said", "arguments", "question"),
    [
        ("I'd like an appointment", {"day": "Tuesday", "time": "9:30", "name": "Paul"}, "which day"),
        ("Tomorrow", {"day": "tomorrow", "time": "...", "name": "Paul"}, "what time"),
        ("Tomorrow at nine", {"day": "tomorrow", "time": "9:00", "name": "Paul Reed"}, "What name"),
        ("Tomorrow at nine", {"day": "tomorrow", "time": "9:00", "name": "..."}, "What name"),
    ],
)
async def test_what_the_caller_did_not_say_is_asked_for(tools, tmp_path: Path, said, arguments, question) -> None:
    answer = await invoke(tools["book_slot"], context_of(dialogue=[("caller", said)]), **arguments)
    assert question in answer
    assert not rows(tmp_path, "SELECT name FROM slots WHERE name IS NOT NULL")


async def test_the_callers_day_beats_one_the_model_made_up(tools) -> None:
    context = context_of(dialogue=[("caller", "Have you anything tomorrow morning?")])
    assert (await invoke(tools["find_slots"], context, day="Tuesday")).startswith("Tomorrow, Wednesday")


@pytest.mark.parametrize(
    ("part", "times"), [("morning", "9 heures, 10 heures ou 11 heures 30"), ("afternoon", "14 heures")]
)
async def test_slots_are_offered_in_the_callers_language(tools, part: str, times: str) -> None:
    context = context_of(language="fr", dialogue=[("caller", "Jeudi ?")])
    said = await invoke(tools["find_slots"], context, day="jeudi", part_of_day=part)
    assert said.startswith("Jeudi 26 novembre, j'ai ")
    assert times in said


async def test_a_full_day_offers_the_next(diary: Diary, tools) -> None:
    for start in STARTS:
        await diary.book(datetime.combine(date(2026, 11, 27), start), "Somebody", "")
    context = context_of(dialogue=[("caller", "Friday?")])
    said = await invoke(tools["find_slots"], context, day="Friday")
    assert "nothing free on Friday" in said
    assert "On Monday, November 30th" in said


async def test_a_day_of_rest_is_said_to_be_one(tools) -> None:
    said = await invoke(tools["find_slots"], context_of(dialogue=[("caller", "And on Saturday?")]), day="Saturday")
    assert said.startswith("On Saturday, November 28th, we are closed. On Monday")


async def test_hours(tools) -> None:
    assert "Monday to Friday" in await invoke(tools["opening_hours"], context_of(dialogue=[("caller", "When?")]))
    context = context_of(dialogue=[("caller", "On Saturday?")])
    assert "closed" in await invoke(tools["opening_hours"], context, day="Saturday")
    assert "closed" in await invoke(tools["opening_hours"], context)


async def test_a_message_is_kept_and_an_invented_name_is_not(tools, tmp_path: Path) -> None:
    context = context_of(dialogue=[("caller", "Tell him my knee is better")])
    assert "pass that on" in await invoke(tools["take_message"], context, text="My knee is better", name="Paul Reed")
    assert rows(tmp_path, "SELECT caller, name, text FROM messages") == [("+15550100", "", "My knee is better")]


async def test_that_there_is_a_message_is_not_the_message_unless_the_caller_insists(tools) -> None:
    text = "I want to leave a message."
    assert "What shall I tell" in await invoke(tools["take_message"], context_of(), text=text)
    asked = context_of(dialogue=[("agent", "What shall I tell the doctor?")])
    assert "pass that on" in await invoke(tools["take_message"], asked, text="That I got his message.")
