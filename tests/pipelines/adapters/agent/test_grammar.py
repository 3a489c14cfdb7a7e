import json
from typing import Literal

import pytest

from pipelines.adapters.agent.grammar import MAX_STRING, call_text, read_call, reply_grammar, tool_prompt
from server.tools.functions import function_as_tool


def find(day: str, part: Literal["am", "pm"] = "am", count: int | None = None) -> str:
    """free times

    More that the model need not know."""
    return ""


def test_tools_are_told_as_the_json_they_are_called_with() -> None:
    prompt = tool_prompt([function_as_tool(find)])
    assert prompt.splitlines()[1] == '{"find": {"day": "...", "part": "am|pm", "count": 0}} free times'


def test_no_tools_no_words() -> None:
    assert tool_prompt([]) == ""
    assert "call0" not in reply_grammar([])


def test_the_grammar_closes_objects_and_bounds_strings() -> None:
    rule = next(line for line in reply_grammar([function_as_tool(find)]).splitlines() if line.startswith("call0"))
    opening, _, rest = rule.partition(" %json ")
    assert json.loads(opening.removeprefix("call0: ")) == '{"find": '
    schema = json.loads(rest.removesuffix(' "}"'))
    assert schema["additionalProperties"] is False
    assert schema["properties"]["day"] == {"type": "string", "maxLength": MAX_STRING}
    assert schema["required"] == ["day"]


def test_a_call_is_read_back() -> None:
    assert read_call(call_text("find", '{"day": "été"}')) == ("find", '{"day": "été"}')


def test_a_cut_call_is_an_error() -> None:
    with pytest.raises(json.JSONDecodeError):
        read_call('{"find": {"day": "to')
