"""The call's own tools: what they ask of the call."""

import pytest
from agents import ModelBehaviorError

from pipelines.adapters.agent.watched import ReadingTool
from pipelines.events import DigitsExpected, DigitsRequested, Event
from server.tools.call import call_tools
from tests.helpers.agent import context_of, invoke


def test_the_keypad_is_offered_when_it_is_wanted() -> None:
    assert [tool.name for tool in call_tools()] == ["hang_up"]
    assert [tool.name for tool in call_tools(keypad=True)] == ["hang_up", "collect_digits", "send_digits"]


@pytest.mark.parametrize(
    ("name", "arguments", "event"),
    [
        ("collect_digits", {"length": 4}, DigitsExpected(1, 4)),
        ("send_digits", {"digits": "1#"}, DigitsRequested(1, "1#")),
    ],
)
async def test_keys_are_asked_of_the_call(name: str, arguments: dict[str, object], event: Event) -> None:
    asked: list[Event] = []
    tool = next(tool for tool in call_tools(keypad=True) if tool.name == name)
    await invoke(tool, context_of(emit=asked.append), **arguments)
    assert asked == [event]


@pytest.mark.parametrize(
    ("name", "arguments"), [("collect_digits", {"length": 99}), ("send_digits", {"digits": "abc"})]
)
async def test_nonsense_is_not_passed_on(name: str, arguments: dict[str, object]) -> None:
    asked: list[Event] = []
    tool = next(tool for tool in call_tools(keypad=True) if tool.name == name)
    with pytest.raises(ModelBehaviorError):
        await invoke(tool, context_of(emit=asked.append), **arguments)
    assert asked == []


def test_what_changes_nothing_says_so() -> None:
    reading = {tool.name for tool in call_tools("+15550199", keypad=True) if isinstance(tool, ReadingTool)}
    assert reading == {"hang_up", "transfer_to_person"}
