import json
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.adapters.agent.grammar import (
    MAX_STRING,
    call_text,
    called,
    is_call,
    read_call,
    reply_grammar,
    settled_call,
    tool_prompt,
)
from server.tools.functions import function_as_tool


def find(day: str, part: Literal["am", "pm"] = "am", count: int | None = None) -> str:
    """free times

    More that the model need not know."""
    return ""


def find_out() -> str:
    """more"""
    return ""


def Search(text: str) -> str:
    """a name as MCP servers have them"""
    return ""


FIND, OUT, SEARCH = TOOLS = [function_as_tool(function) for function in (find, find_out, Search)]


def test_tools_are_told_as_signatures() -> None:
    assert tool_prompt(TOOLS).splitlines()[1:] == [
        "find(day, part: am|pm, count: integer) free times",
        "find_out() more",
        "use_Search(text) a name as MCP servers have them",
    ]


def test_no_tools_no_words() -> None:
    assert tool_prompt([]) == ""
    assert "call0" not in reply_grammar([])


def test_what_is_required_comes_and_strings_are_bounded() -> None:
    rules = dict(line.split(": ", 1) for line in reply_grammar([FIND]).splitlines() if line.startswith("call0"))
    assert rules["call0"] == '"find(" call0_0 (", " call0_1 (", " call0_2)?)? ")"'
    day = json.loads(rules["call0_0"].removeprefix("%json "))
    assert day["maxLength"] == MAX_STRING
    assert rules["call0_1"].endswith(' | "null"')


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ('find("été")', {"day": "été"}),
        ('find("a, \\"b\\")", "pm", 3)', {"day": 'a, "b")', "part": "pm", "count": 3}),
        ('find("x", null, 2)', {"day": "x", "count": 2}),
    ],
)
def test_a_call_is_read_and_written_the_same(text: str, arguments: dict[str, object]) -> None:
    name, read = read_call(text, TOOLS)
    assert (name, json.loads(read)) == ("find", arguments)
    assert call_text(FIND, read) == text


@given(day=st.text(max_size=30), part=st.none() | st.sampled_from(["am", "pm"]), count=st.none() | st.integers())
def test_any_arguments_survive(day: str, part: str | None, count: int | None) -> None:
    arguments = {name: value for name, value in (("day", day), ("part", part), ("count", count)) if value is not None}
    assert json.loads(read_call(call_text(FIND, json.dumps(arguments)), TOOLS)[1]) == arguments


@pytest.mark.parametrize("text", ['find("to', 'find("to"', "fin", 'find("a" "b")', "other()"])
def test_a_cut_call_is_an_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - of any kind
        read_call(text, TOOLS)


def test_a_tool_is_known_once_no_other_can_be_meant() -> None:
    assert [called(text, TOOLS) for text in ("f", "find", "find(", "find_", "use_S")] == [None, None, FIND, OUT, SEARCH]


def test_a_call_never_begins_like_speech() -> None:
    assert is_call(call_text(SEARCH, '{"text": "x"}'))
    assert read_call(call_text(SEARCH, '{"text": "x"}'), TOOLS) == ("Search", '{"text": "x"}')
    assert not is_call("Good morning")
    assert not is_call("Été")


@pytest.mark.parametrize(
    ("text", "whole"),
    [
        ("find_", "find_out()"),
        ("find", None),
        ('find("a', None),
        ('find("(a)', None),
        ('find("(a)")', 'find("(a)")'),
        ('find("a", "pm")', 'find("a", "pm")'),
    ],
)
def test_a_call_is_settled_once_nothing_is_left_to_choose(text: str, whole: str | None) -> None:
    assert settled_call(text, TOOLS) == whole
