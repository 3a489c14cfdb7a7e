"""What the embedded model may say: plain speech, or exactly one valid call of a declared tool.

A call is written as in Python, with its arguments by position: `find_slots("Monday", "morning")`. That is half the tokens of JSON, and
tokens are what the caller waits for; each argument is JSON, so the call can always be turned into valid JSON for its tool. Calls begin with
a small letter, speech does not: the first character decides.

The grammar is llguidance's Lark dialect (https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md), which
llama.cpp runs when it is built with it, as in the xllamacpp wheels. JSON schemas are compiled by llguidance itself.
"""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from agents import FunctionTool

MAX_STRING = 200
"""Longest string argument, in characters, where a tool's schema sets no limit."""

# One line with nothing that only makes sense on a screen.
_SPEECH = r"/[^a-z{\s*#`\[<|_\-][^\n*#`\[\]{}<>|_]*/"
_SPACING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def reply_grammar(tools: Sequence[FunctionTool]) -> str:
    """The grammar of one model output, for `"grammar"` in llama.cpp's request body."""
    calls = [f"call{n}" for n in range(len(tools))]
    rules = ["%llguidance {}", f"start: {' | '.join(['speech', *calls])}", f"speech: {_SPEECH}"]
    for rule, tool in zip(calls, tools, strict=True):
        rules += _call_rules(rule, tool)
    return "\n".join(rules) + "\n"


def json_grammar(schema: dict[str, Any]) -> str:
    """The grammar of one JSON value of that schema, on one line."""
    bounded = {**_bounded(schema), "x-guidance": _SPACING}
    return f"%llguidance {{}}\nstart: %json {json.dumps(bounded)}\n"


def _call_rules(rule: str, tool: FunctionTool) -> list[str]:
    """Arguments after the last required one may be left out from the end; an optional one in between may be `null`."""
    schemas, needed = _parameters(tool), _needed(tool)
    arguments, rules = "", []
    for n in reversed(range(len(schemas))):
        schema = {**_bounded(list(schemas.values())[n]), "x-guidance": _SPACING}
        value = f"%json {json.dumps(schema)}"
        rules.append(f"{rule}_{n}: {value}" + ("" if list(schemas)[n] in _required(tool) else ' | "null"'))
        arguments = f"{rule}_{n}{arguments}" if n == 0 else f'", " {rule}_{n}{arguments}'
        arguments = f" {arguments}" if n < needed else f" ({arguments})?"
    opening = json.dumps(f"{_spelled(tool.name)}(")
    return [f'{rule}: {opening}{arguments} ")"', *reversed(rules)]


def tool_prompt(tools: Sequence[FunctionTool]) -> str:
    """The tools as the embedded model is told about them: how each is called, and its use."""
    if not tools:
        return ""
    lines = ["To use a tool, answer only with its call:"]
    for tool in tools:
        names = ", ".join(_told(name, schema) for name, schema in _parameters(tool).items())
        lines.append(f"{_spelled(tool.name)}({names}) {tool.description}")
    return "\n".join(lines)


def is_call(text: str) -> bool:
    """Whether an output, of which at least one character is known, is a tool call."""
    return text[0] == "_" or "a" <= text[0] <= "z"


def call_text(tool: FunctionTool, arguments: str) -> str:
    """A call as the embedded model writes it; `arguments` is a JSON object."""
    given: dict[str, Any] = json.loads(arguments or "{}")
    values = [given.get(name) for name in _parameters(tool)]
    while values and values[-1] is None:
        values.pop()
    return f"{_spelled(tool.name)}({', '.join(json.dumps(value, ensure_ascii=False) for value in values)})"


def called(text: str, tools: Iterable[FunctionTool]) -> FunctionTool | None:
    """The tool of a call that is being written, as soon as no other can be meant; None before."""
    written, opened, _ = text.partition("(")
    possible = [
        tool
        for tool in tools
        if (_spelled(tool.name) == written if opened else _spelled(tool.name).startswith(written))
    ]
    return possible[0] if len(possible) == 1 else None


def read_call(text: str, tools: Iterable[FunctionTool]) -> tuple[str, str]:
    """The (name, arguments as JSON) of a call written by the embedded model. Raises ValueError when it is cut short."""
    tool = called(text, tools)
    if tool is None or not text.endswith(")"):
        raise ValueError("a tool call was cut short")
    values = json.loads(f"[{text.partition('(')[2][:-1]}]")
    required = _required(tool)
    given = {
        name: value
        for name, value in zip(_parameters(tool), values, strict=False)
        if value is not None or name in required
    }
    return tool.name, json.dumps(given, ensure_ascii=False)


def settled_call(text: str, tools: Sequence[FunctionTool]) -> str | None:
    """The whole of a call that is being written, as soon as nothing is left to choose; None before."""
    tool = called(text, tools)
    if tool is not None and not _parameters(tool):
        return call_text(tool, "{}")
    try:
        read_call(text, tools)
    except ValueError:
        return None
    return text


def _spelled(name: str) -> str:
    """A tool's name as the model writes it: with a first character that no speech begins with."""
    return name if is_call(name) else f"use_{name}"


def _parameters(tool: FunctionTool) -> dict[str, dict[str, Any]]:
    return tool.params_json_schema.get("properties", {})


def _required(tool: FunctionTool) -> set[str]:
    return set(tool.params_json_schema.get("required", ()))


def _needed(tool: FunctionTool) -> int:
    """How many arguments cannot be left out: all up to the last required one."""
    required = _required(tool)
    return max((n + 1 for n, name in enumerate(_parameters(tool)) if name in required), default=0)


def _told(name: str, schema: dict[str, Any]) -> str:
    """A parameter in a tool's signature: its name, and what it may be where that is not any text."""
    options = [option for option in schema.get("anyOf", [schema]) if option.get("type") != "null"]
    if "enum" in options[0]:
        return f"{name}: {'|'.join(str(value) for value in options[0]['enum'] if value != '')}"
    kind = options[0].get("type", "string")
    return name if kind == "string" else f"{name}: {kind}"


_PROSE = re.compile(r"^(title|description|default|examples)$")


def _bounded(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without its prose, every object closed and every string limited."""
    out = {key: value for key, value in schema.items() if not _PROSE.match(key)}
    for key in ("properties", "$defs"):
        if key in out:
            out[key] = {name: _bounded(inner) for name, inner in out[key].items()}
    for key in ("anyOf", "oneOf", "allOf"):
        if key in out:
            out[key] = [_bounded(inner) for inner in out[key]]
    if isinstance(out.get("items"), dict):
        out["items"] = _bounded(out["items"])
    if out.get("type") == "string" and "enum" not in out and "const" not in out:
        out.setdefault("maxLength", MAX_STRING)
    if out.get("type") == "object":
        out.setdefault("properties", {})
        out.setdefault("additionalProperties", False)
    return out
