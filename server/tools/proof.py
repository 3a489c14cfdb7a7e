"""Tools that want more than a voice: they run once the caller has proven, in this call, who he is.

What proves it is for the operator to say: a code that he types, a date of birth that a system of his compares. Neither a voice nor a calling
number does, since both are easily had by another.
"""

import dataclasses
from typing import Any

from agents import FunctionTool
from agents.tool_context import ToolContext

NOT_PROVEN = "Error: the caller has not proven who he is. A known voice or number is no proof: have him prove it first."
_WARNING = " (only for a caller who has proven who he is)"


def guarded(tool: FunctionTool) -> FunctionTool:
    """The same tool, which refuses in words that the model reads until the caller has proven who he is."""

    async def invoke(context: ToolContext[Any], arguments: str) -> Any:
        return await tool.on_invoke_tool(context, arguments) if context.context.proven else NOT_PROVEN

    return dataclasses.replace(tool, on_invoke_tool=invoke, description=tool.description + _WARNING)


def proving(tool: FunctionTool) -> FunctionTool:
    """The same tool, whose success proves who the caller is."""

    async def invoke(context: ToolContext[Any], arguments: str) -> Any:
        result = await tool.on_invoke_tool(context, arguments)
        context.context.prove()
        return result

    return dataclasses.replace(tool, on_invoke_tool=invoke)
