"""Conversations in text, with the example agent, its real tools and a language model that follows a script."""

import json
from datetime import datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from server.cli_simulate import simulate
from server.config import Config
from server.simulate.report import page, rows
from server.simulate.rules import Run
from server.simulate.suite import Suite
from server.simulate.text import TextMode, play_all
from tests.helpers.agent import FakeEndpoint, serving
from tests.server.analysis.test_findings import answered

NOW = datetime(2026, 11, 24, 8, 40)
BOOKED = "SELECT 1 FROM slots WHERE start = '{tomorrow}T09:30' AND name = 'Alice Martin'"
BOOK = {
    "name": "book",
    "turn": [
        {
            "say": "Tomorrow at nine thirty, please. My name is Alice Martin.",
            "calls": [{"tool": "book_slot", "arguments": {"name": "Alice"}}],
            "rows": [{"query": BOOKED}],
        },
        {"say": "Thank you, goodbye.", "hangs_up": True},
    ],
}
CLAIM = {"says": "booked", "row": "SELECT 1 FROM slots WHERE name IS NOT NULL"}
BOOKS = ("call", "book_slot", '{"day": "tomorrow", "time": "9:30", "name": "Alice Martin"}')
HANGS_UP = ("call", "hang_up", "{}")


def suite(*scenarios: dict, **more) -> Suite:
    return Suite.model_validate(
        {"now": NOW, "database": "clinic.sqlite", "claim": [CLAIM], "scenario": list(scenarios), **more}
    )


async def play(
    suite: Suite, *script: list, runs: int = 1, parallel: int = 1, judging: bool = False
) -> tuple[list[Run], list]:
    fake = FakeEndpoint(*script)
    async with serving(fake) as url:
        config = Config.model_validate({"models": {"llm": {"kind": "openai", "model": "m", "base_url": url}}})
        mode = TextMode(config, suite, parallel=parallel, judging=judging, progress=lambda _: None)
        async with mode:
            played = await play_all(mode, suite.scenario, runs, parallel, lambda _: None)
    return played, fake.requests


async def test_a_scripted_caller_books_and_every_rule_is_kept():
    (run,), requests = await play(suite(BOOK), [BOOKS], [HANGS_UP])
    assert run.passed, run
    assert [use.tool for exchange in run.exchanges for use in exchange.tools] == ["book_slot", "hang_up"]
    assert "booked" in run.exchanges[0].answer
    assert run.greeting in json.dumps(requests[0], ensure_ascii=False)


async def test_a_booking_that_is_only_said_is_found_out():
    (run,), _ = await play(suite(BOOK), ["You are booked for tomorrow."], [HANGS_UP])
    assert not run.passed
    assert sorted({verdict.kind for verdict in run.verdicts if not verdict.passed}) == ["calls", "claims", "rows"]


async def test_runs_know_nothing_of_each_other():
    runs, _ = await play(suite(BOOK), [BOOKS], [HANGS_UP], [BOOKS], [HANGS_UP], runs=2)
    assert [run.passed for run in runs] == [True, True]


async def test_many_at_a_time_come_back_in_order():
    greet = {"turn": [{"say": "Hello?"}]}
    scenarios = [{"name": name, **greet} for name in "abcd"]
    runs, _ = await play(suite(*scenarios), *[["Yes, I hear you."]] * 8, runs=2, parallel=4)
    assert [(run.scenario, run.run) for run in runs] == [(name, n) for name in "abcd" for n in (0, 1)]


async def test_a_french_caller_calls_a_french_agent():
    horaires = {
        "name": "horaires",
        "language": "fr",
        "turn": [{"say": "Vous ouvrez quand ?", "calls": ["opening_hours"]}],
    }
    (run,), _ = await play(suite(horaires), [("call", "opening_hours", "{}")])
    assert run.passed, run
    assert run.greeting.startswith("Cabinet")


async def test_a_persona_is_played_until_it_has_what_it_wants():
    wants = {
        "name": "p",
        "persona": "You are Paul.",
        "goal": "Know the hours.",
        "calls": ["opening_hours"],
        "asks": ["Polite?"],
    }
    script = (
        answered({"say": "When are you open?", "done": False}),
        [("call", "opening_hours", "{}")],
        answered({"say": "Thanks, goodbye.", "done": True}),
        ["You are welcome. Goodbye to you."],
        answered({"reason": "it was", "yes": True}),
    )
    (run,), requests = await play(suite(wants), *script, judging=True)
    assert run.passed, run
    assert [exchange.said for exchange in run.exchanges] == ["When are you open?", "Thanks, goodbye."]
    assert "You are Paul." in requests[0]["messages"][0]["content"]
    assert requests[0]["seed"] == 1
    assert any(verdict.kind == "judge" for verdict in run.verdicts)


async def test_a_persona_that_never_ends_is_ended():
    wants = {"name": "p", "goal": "Talk.", "most_turns": 2}
    script = [answered({"say": "And?", "done": False}), ["So it is."]] * 3
    (run,), _ = await play(suite(wants), *script)
    assert len(run.exchanges) == 2


async def test_a_model_that_fails_is_a_fault_of_that_run_only():
    two = suite({"name": "a", "turn": [{"say": "Hello?"}]}, {"name": "b", "turn": [{"say": "Hello?"}]})
    (first, second), _ = await play(two, [{"status": 500, "body": {}}], ["Yes, I hear you."])
    assert first.fault
    assert not first.passed
    assert second.passed


async def test_the_report_counts_and_escapes():
    hostile = {"name": "<b>x</b>", "turn": [{"say": "<script>alert(1)</script>", "says": ["never"]}]}
    runs, _ = await play(suite(hostile), ["No, I will not."], ["No, I will not."], runs=2)
    (row,) = rows(runs)
    assert (row.passed, row.runs, row.broken) == (0, 2, {"turn 1: says never": 2})
    html = page(runs, "suite")
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)" in html


# ---- the command


@pytest.fixture
def invoke(tmp_path: Path):
    app = typer.Typer()
    app.command()(simulate)

    def invoke(text: str, *options):
        (tmp_path / "suite.toml").write_text(text)
        return CliRunner().invoke(app, [str(tmp_path / "suite.toml"), *options])

    return invoke


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("[[scenario]]\nname = 'a'", (), "either"),
        ("[[scenario]]\nname = 'a'\ngoal = 'x'", ("--only", "b"), "no such scenario"),
        ("agent = 'nobody'\n[[scenario]]\nname = 'a'\ngoal = 'x'", (), "nobody"),
        ("[[scenario]]\nname = 'a'\ngoal = 'x'\nlanguage = 'de'", (), "does not speak de"),
    ],
)
def test_what_cannot_be_played_is_said(invoke, text: str, options: tuple, said: str):
    result = invoke(text, *options)
    assert result.exit_code == 2
    assert said in result.output
