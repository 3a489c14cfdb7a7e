"""What the embedded model may say: plain speech, or exactly one valid call of a declared tool.

The grammar is llguidance's Lark dialect (https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md), which
llama.cpp runs when it is built with it, as in the xllamacpp wheels. JSON schemas are compiled by llguidance itself.
"""

import json
import re
from collections.abc import Sequence
from typing import Any

from agents import FunctionTool

MAX_STRING = 200
"""Longest string argument, in characters, where a tool's schema sets no limit."""

# One line with nothing that only makes sense on a screen. What starts with a brace is a tool call: the first character
# decides.
_SPEECH = r"/[^{\s*#`\[<|_\-][^\n*#`\[\]{}<>|_]*/"
_SPACING = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": "}


def reply_grammar(tools: Sequence[FunctionTool]) -> str:
    """The grammar of one model output, for `"grammar"` in llama.cpp's request body."""
    calls = [f"call{n}" for n in range(len(tools))]
    rules = ["%llguidance {}", f"start: {' | '.join(['speech', *calls])}", f"speech: {_SPEECH}"]
    for rule, tool in zip(calls, tools, strict=True):
        opening = json.dumps(f"{{{json.dumps(tool.name)}: ")
        schema = {**_bounded(tool.params_json_schema), "x-guidance": _SPACING}
        rules.append(f'{rule}: {opening} %json {json.dumps(schema)} "}}"')
    return "\n".join(rules) + "\n"


def tool_prompt(tools: Sequence[FunctionTool]) -> str:
    """The tools as the embedded model is told about them: each one's JSON, filled with what belongs where, and its
    use."""
    if not tools:
        return ""
    lines = ["To use a tool, answer only with its JSON:"]
    for tool in tools:
        properties: dict[str, Any] = tool.params_json_schema.get("properties", {})
        arguments = {name: _placeholder(schema) for name, schema in properties.items()}
        lines.append(f"{call_text(tool.name, json.dumps(arguments, ensure_ascii=False))} {tool.description}")
    return "\n".join(lines)


def call_text(name: str, arguments: str) -> str:
    """A tool call as the embedded model writes it, `{"name": {arguments}}`: half the tokens of the usual form, and
    tokens are what the caller waits for. `arguments` is JSON."""
    return f'{{"{name}": {arguments}}}'


def call_name(text: str, names: Sequence[str]) -> str:
    """Which of the declared tools a call that is being written is of, as soon as no other can be meant; "" before."""
    written = text.removeprefix('{"').partition('"')
    possible = [name for name in names if (name == written[0] if written[1] else name.startswith(written[0]))]
    return possible[0] if len(possible) == 1 and len(text) > 2 else ""


def read_call(text: str) -> tuple[str, str]:
    """The (name, arguments as JSON) of a tool call written by the embedded model. Raises ValueError when it is cut
    short."""
    [(name, arguments)] = json.loads(text).items()
    return name, json.dumps(arguments, ensure_ascii=False)


def _placeholder(schema: dict[str, Any]) -> Any:
    for option in schema.get("anyOf", ()):
        if option.get("type") != "null":
            return _placeholder(option)
    if "enum" in schema:
        return "|".join(str(value) for value in schema["enum"])
    return {"integer": 0, "number": 0, "boolean": True, "array": [], "object": {}}.get(schema.get("type", ""), "...")


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
