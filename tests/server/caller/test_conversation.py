"""A script acted out with an agent that speaks in tones, and what is made of it."""

import asyncio
import sqlite3
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from pipelines.actions import Turn
from server.caller.conversation import Conversation
from server.caller.report import Ledger, Report, judge
from server.caller.script import AwaitHangUp, HangUp, Interrupt, Listen, Over, Row, Say, Script
from server.caller.show import print_report
from server.caller.twilio import TwilioLine
from tests.helpers.fake_server import FakeAgent, fake_server

SCRIPT = Script(
    title="a call",
    step=(
        Listen(says=("hello",), quiet=0.3),
        Say("en_yes"),
        Interrupt("en_hours_saturday", after=0.3, yields=0.4),
        Listen(says=("saturday", "nine|9"), quiet=0.3),
        AwaitHangUp(within=5),
    ),
)


async def converse(agent: FakeAgent, script: Script = SCRIPT) -> Conversation:
    async with fake_server(agent) as (url, _):
        line = await TwilioLine.dial(f"{url}/twilio/voice", caller="", called="")
        conversation = Conversation(line, script)
        await conversation.act()
        return conversation


def turns_of(conversation: Conversation, *, hours: str = "What are your opening hours on Saturday?") -> list[Turn]:
    """The transcript that a server would have written of it."""
    (yes, question), gap = conversation.said, 0.3
    at = [(said.start / 1e6, said.end / 1e6) for said in (yes, question)]
    return [
        Turn("agent", "Hello.", "Hello.", 0.0, 1.0),
        Turn("caller", "Yes.", "Yes.", *at[0]),
        Turn("agent", "We open.", "We", at[0][1] + gap, at[1][0] + 0.1, gap, {"stt": gap}, interrupted=True),
        Turn("caller", hours, hours, *at[1]),
        Turn(
            "agent", "On Saturday from nine.", "On Saturday from nine.", at[1][1] + gap, at[1][1] + 3, gap, {"stt": gap}
        ),
    ]


@pytest.fixture(scope="module")
def conversation() -> Conversation:
    return asyncio.run(converse(FakeAgent()))


def test_every_step_was_acted_and_the_agent_hung_up(conversation: Conversation) -> None:
    assert [acted.fault for acted in conversation.acted] == [""] * len(SCRIPT.step)
    assert not conversation.line.left


def test_the_gap_is_measured_in_the_ear(conversation: Conversation) -> None:
    for said in conversation.said:
        gap = conversation.gap(said.end + 1_000_000)
        assert gap == pytest.approx(300_000, abs=100_000)  # fifteen frames of silence


def test_a_good_call_has_no_failures(conversation: Conversation) -> None:
    report = judge(conversation, turns_of(conversation))
    assert report.failures == []
    assert report.errors == 0
    assert report.yields[0] is not None
    assert report.yields[0] < 0.3
    assert [turn.ear_gap is not None for turn in report.turns] == [False, False, True, False, True]


@pytest.mark.parametrize(
    ("change", "failure"),
    [
        (lambda turns: turns[:-1], "answered: the agent was to say saturday and nine|9"),
        (lambda turns: [t for t in turns if t.text != "Yes."], "heard: nothing of 'Yes.'"),
        (lambda turns: [*turns, Turn("caller", "one two three four", "", 99, 100)], "of the caller's words were wrong"),
    ],
)
def test_what_is_wrong_is_said(conversation: Conversation, change, failure: str) -> None:
    failures = judge(conversation, change(turns_of(conversation))).failures
    assert len(failures) == 1
    assert failure in failures[0]


def test_the_summary_names_every_turn(conversation: Conversation) -> None:
    report = judge(conversation, turns_of(conversation))
    console = Console(width=160, file=StringIO())
    print_report(console, report)
    text = console.file.getvalue()
    assert all(turn.text.split()[-1].strip(".") in text for turn in report.turns)
    assert "as it should" in text


async def test_an_agent_that_does_not_yield_is_reported() -> None:
    conversation = await converse(FakeAgent(yields=False))
    failures = judge(conversation, turns_of(conversation)).failures
    assert any("yielded: " in failure for failure in failures)


async def test_a_sound_over_the_agent_is_none_of_the_callers_words() -> None:
    script = Script(title="a murmur", step=(Over("en_yes", after=0.3), Over("en_yes", after=2.0, within=1.0), HangUp()))
    conversation = await converse(FakeAgent(answers=1, yields=False), script)
    [murmur] = conversation.over
    assert conversation.said == []
    assert 300_000 <= murmur.start < murmur.end
    first, second, _ = conversation.acted
    assert first.fault == ""
    assert "nothing to go over" in second.fault  # nobody speaks for two seconds within one


def test_the_ledger_wants_a_new_row(tmp_path: Path) -> None:
    path = tmp_path / "clinic.sqlite"
    rows = (Row("SELECT 1 FROM slots WHERE name = 'Martin'", "appointment for Martin"),)
    assert Ledger(path, rows).unmet()  # no database at all
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE slots (name TEXT)")
    connection.execute("INSERT INTO slots VALUES ('Martin')")
    connection.commit()
    ledger = Ledger(path, rows)
    assert "appointment for Martin" in ledger.unmet()[0]  # it was there before the call
    connection.execute("INSERT INTO slots VALUES ('Martin')")
    connection.commit()
    connection.close()
    assert ledger.unmet() == []


def test_a_report_is_json(conversation: Conversation) -> None:
    import msgspec

    report = judge(conversation, turns_of(conversation))
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report) == report
