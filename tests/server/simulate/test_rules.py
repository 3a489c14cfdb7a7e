"""Rules: what keeps one, what breaks it, and what is then said."""

import sqlite3
from datetime import date
from pathlib import Path

import pytest

from server.simulate.rules import Exchange, Judge, ToolUse, Verdict
from server.simulate.suite import Suite

TUESDAY = date(2026, 11, 24)


@pytest.fixture
def database(tmp_path: Path) -> Path:
    with sqlite3.connect(tmp_path / "clinic.sqlite") as db:
        db.execute("CREATE TABLE slots (start TEXT, name TEXT)")
        db.execute("INSERT INTO slots VALUES ('2026-11-25T09:30', 'Alice Martin'), ('2026-11-25T10:00', NULL)")
    return tmp_path / "clinic.sqlite"


def judge(database: Path | None = None, language: str = "en", claim: tuple = (), **expected) -> Judge:
    scenario = {"name": "x", "language": language, "turn": [{"say": "Hello.", **expected}]}
    suite = Suite.model_validate({"scenario": [scenario], "claim": list(claim)})
    return Judge(suite, suite.scenario[0], database, TUESDAY)


def broken(verdicts: list[Verdict]) -> list[str]:
    return [verdict.kind for verdict in verdicts if not verdict.passed]


FINE = Exchange(
    "Hello.", "Yes, we are open tomorrow.", (ToolUse("book_slot", {"name": "Alice Martin", "time": "9:30"}),)
)


@pytest.mark.parametrize(
    ("expected", "kinds"),
    [
        ({"calls": ["book_slot"]}, []),
        ({"calls": [{"tool": "book_slot", "arguments": {"name": "alice", "time": "^9:30$"}}]}, []),
        ({"calls": [{"tool": "book_slot", "arguments": {"name": "Bob"}}]}, ["calls"]),
        ({"calls": ["hang_up"]}, ["calls"]),
        ({"never_calls": ["*"]}, ["calls"]),
        ({"never_calls": ["hang_up"]}, []),
        ({"says": ["OPEN.*tomorrow"], "never_says": ["closed"]}, []),
        ({"says": ["closed"]}, ["says"]),
        ({"never_says": ["open"]}, ["says"]),
        ({"hangs_up": True, "transfers": True}, ["ends", "ends"]),
        ({"hangs_up": False}, []),
    ],
)
def test_of_an_answer(expected: dict, kinds: list[str]):
    assert broken(judge(**expected).of_answer(0, FINE)) == kinds


@pytest.mark.parametrize(
    ("answer", "language", "kinds"),
    [
        ("We are open for you.", "en", []),
        ("Nous sommes ouverts pour vous.", "fr", []),
        ("We are open for you.", "fr", ["language"]),
        ("Nous sommes ouverts pour vous.", "en", ["language"]),
        ("Paul.", "fr", []),
        ("", "en", ["speakable"]),
        ("Our *hours* are the same.", "en", ["speakable"]),
        ("the " * 100, "en", ["speakable"]),
    ],
)
def test_every_answer_is_words_of_the_callers_language(answer: str, language: str, kinds: list[str]):
    assert broken(judge(language=language).of_answer(0, Exchange("Hello.", answer))) == kinds


def test_rows_are_counted_in_the_database(database: Path):
    booked = "SELECT 1 FROM slots WHERE start = '{tomorrow}T09:30' AND name LIKE '%Martin%'"
    assert broken(judge(database, rows=[{"query": booked}]).of_answer(0, FINE)) == []
    assert broken(judge(database, rows=[{"query": booked, "least": 2}]).of_answer(0, FINE)) == ["rows"]
    assert broken(judge(database, rows=[{"query": booked, "least": 0, "most": 0}]).of_answer(0, FINE)) == ["rows"]
    assert broken(judge(None, rows=[{"query": booked}]).of_answer(0, FINE)) == ["rows"]


def test_a_claim_that_is_not_so_is_a_lie(database: Path):
    claim = {"says": "is booked", "row": "SELECT 1 FROM slots WHERE name IS NOT NULL"}
    lie = Exchange("Hello.", "That is booked for you.")
    assert broken(judge(None, claim=(claim,)).of_answer(0, lie)) == ["claims"]
    assert broken(judge(database, claim=(claim,)).of_answer(0, lie)) == []
    by_tool = {"says": "is booked", "tool": "book_slot"}
    assert broken(judge(claim=(by_tool,)).of_answer(0, lie)) == ["claims"]
    assert [v.kind for v in judge(claim=(claim,)).of_answer(0, FINE)] == ["language", "speakable"]


def test_of_the_whole_call():
    suite = Suite.model_validate(
        {"scenario": [{"name": "x", "most_turns": 2, "says": ["bye"], "turn": [{"say": "a"}] * 3}]}
    )
    of_call = Judge(suite, suite.scenario[0], None, TUESDAY).of_call
    assert broken(of_call([FINE, FINE, Exchange("a", "Bye.", hung_up=True)])) == ["turns"]
    short = of_call([FINE, Exchange("a", "Bye.", hung_up=True)])
    assert [v.why for v in short if not v.passed] == ["the agent ended the call 1 lines early"]
    assert broken(of_call([FINE])) == ["says", "turns"]
