"""A tool under the call's eye: announced, limited in time and size, remembered, and never able to break the reply."""

import asyncio
import dataclasses
import json
from typing import Any

import structlog
from agents import FunctionTool
from agents.tool_context import ToolContext

from pipelines.adapters.agent.context import CallContext, Spoken
from pipelines.adapters.agent.memory import Memory
from pipelines.events import ToolFinished, ToolStarted

log = structlog.get_logger()


class ReadingTool(FunctionTool):
    """A tool that changes nothing anywhere: it may run before it is sure that its answer is wanted."""


def reading(tool: FunctionTool) -> ReadingTool:
    """The same tool, said to change nothing."""
    fields = {field.name: getattr(tool, field.name) for field in dataclasses.fields(tool) if field.init}
    return ReadingTool(**fields)


MAX_ARGUMENTS = 2_000
"""Longest arguments a tool is run with, in characters of JSON."""
MAX_OUTPUT = 2_000
"""Longest output the model is shown, in characters."""

TIMED_OUT = "Error: no answer in time. Tell the caller that this is not possible right now."
FAILED = "Error: it failed. Tell the caller that this is not possible right now."
MALFORMED = "Error: the arguments are not valid."

_running: set[asyncio.Task[str]] = set()  # the event loop itself holds tasks only weakly


def watched(tool: FunctionTool, memory: Memory, time_limit_s: float) -> FunctionTool:
    """The same tool, which emits `ToolStarted` and `ToolFinished` and is written to `memory`. In a speculative reply it
    waits for the commit, unless it is a `ReadingTool`.

    A tool that has begun is let finish, within its time limit, even when the reply is cancelled: a booking is never
    left half done, and what it did is in memory before the next turn. An exception or a time-out becomes a short text
    for the model. A function that blocks runs on a thread: past its limit it is no longer waited for, but cannot be
    stopped.
    """

    async def finish(context: ToolContext[Any], arguments: str) -> str:
        call: CallContext = context.context
        failed = False
        try:
            if len(arguments) > MAX_ARGUMENTS or not isinstance(json.loads(arguments or "{}"), dict):
                raise ValueError("arguments")
            async with asyncio.timeout(time_limit_s):
                result = await tool.on_invoke_tool(context, arguments)
        except TimeoutError:
            failed, result = True, TIMED_OUT
            log.warning("tool_timed_out", tool=tool.name, limit_s=time_limit_s)
        except Exception as error:  # a tool is foreign code: whatever it raises, the caller gets an answer
            malformed = isinstance(error, ValueError) and str(error) == "arguments"
            failed, result = True, MALFORMED if malformed else FAILED
            log.warning("tool_failed", tool=tool.name, error=type(error).__name__, at=_origin(error))
        output = str(result)[:MAX_OUTPUT]
        memory.tool_finished(call.reply, context.tool_call_id, output)
        call.emit(ToolFinished(call.reply, tool.name, output, failed))
        if isinstance(result, Spoken):
            call.answered = True
            if output:
                call.say(output)
        return output

    async def invoke(context: ToolContext[Any], arguments: str) -> str:
        call: CallContext = context.context
        changes = not isinstance(tool, ReadingTool)
        if changes:
            await call.commitment()
        memory.tool_called(call.reply, context.tool_call_id, tool.name, arguments, changes=changes)
        call.emit(ToolStarted(call.reply, tool.name, arguments))
        task = asyncio.create_task(finish(context, arguments), name=f"tool-{tool.name}")
        _running.add(task)
        task.add_done_callback(_running.discard)
        return await asyncio.shield(task)

    return dataclasses.replace(tool, on_invoke_tool=invoke)


def _origin(error: Exception) -> str:
    """Where it was raised, as file and line; its text may hold a caller's words and is not logged."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    return f"{frame.tb_frame.f_code.co_filename}:{frame.tb_lineno}" if frame else ""
