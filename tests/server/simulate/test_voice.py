"""Simulated callers on a line: they take turns with an agent that speaks in tones, and what they were told is read from recordings."""

import numpy as np

from pipelines.actions import Turn
from pipelines.replay.dump import read_dump
from server.caller.script import Listen
from server.caller.twilio import TwilioLine
from server.simulate.callers import Scripted
from server.simulate.suite import Scenario
from server.simulate.voice import Spoken, exchanges_of, talk
from tests.golden.behaviours import FOLDER
from tests.helpers.fake_server import FakeAgent, fake_server

QUICK = Listen(least=0.3, quiet=0.4, patience=1.0, within=3.0)


def scripted(*lines: str) -> Scripted:
    return Scripted(Scenario.model_validate({"name": "x", "turn": [{"say": line} for line in lines]}))


async def speak(text: str) -> np.ndarray:
    return (8_000 * np.sin(np.arange(8_000 // 2) * 0.3)).astype(np.int16)


class Noting:
    """Says one thing, and keeps what it was told of the call."""

    def __init__(self) -> None:
        self.told: list[tuple[str, list[str]]] = []

    async def next(self, greeting, exchanges):
        self.told.append((greeting, [exchange.answer for exchange in exchanges]))
        return "" if exchanges else "Hello?"


async def test_caller_and_agent_take_turns_until_the_agent_hangs_up():
    agent = FakeAgent(answers=2)
    async with fake_server(agent) as (url, _):
        line = await TwilioLine.dial(f"{url}/twilio/voice", caller="", called="")
        spoken = await talk(line, scripted("one", "two", "three"), speak, [], QUICK)
    assert [one.text for one in spoken] == ["one", "two"]
    assert not line.left
    assert spoken[0].start > 1_000_000  # the greeting was heard out
    assert spoken[1].start > spoken[0].end + 1_800_000


async def test_a_caller_who_has_said_everything_hangs_up_himself():
    caller = Noting()
    turns = [Turn("agent", "Hello.", "Hello.", 0.0, 1.0)]
    async with fake_server(FakeAgent(answers=9)) as (url, _):
        line = await TwilioLine.dial(f"{url}/twilio/voice", caller="", called="")
        spoken = await talk(line, caller, speak, turns, QUICK, goodbye_s=0.2)
    assert [one.text for one in spoken] == ["Hello?"]
    assert line.left
    assert caller.told == [("Hello.", []), ("Hello.", [""])]


def test_a_recorded_call_is_read_as_exchanges():
    dump = read_dump(FOLDER / "languages")
    spoken = [
        Spoken("a", 3_000_000, 4_800_000),
        Spoken("b", 9_000_000, 10_800_000),
        Spoken("c", 15_000_000, 17_000_000),
    ]
    exchanges = exchanges_of(dump, spoken)
    assert [(exchange.said, exchange.answer) for exchange in exchanges] == [
        ("a", "Très bien."),
        ("b", "Très bien."),
        ("c", "Sure."),
    ]
    assert exchanges[0].first_s == dump.turns()[2].gap


def test_tools_belong_to_the_words_that_they_followed():
    dump = read_dump(FOLDER / "slow_tool")
    (exchange,) = exchanges_of(dump, [Spoken("a", 3_000_000, 4_000_000)])
    assert [use.tool for use in exchange.tools] == ["look"]
    assert "Here it is." in exchange.answer
