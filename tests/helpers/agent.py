"""Doubles and shorthands for tests of the agent."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from agents import FunctionTool, RunContextWrapper
from agents.tool_context import ToolContext
from aiohttp import web
from aiohttp.test_utils import TestServer

from pipelines.adapters.agent.context import CallContext
from pipelines.events import Event, ReplyDelta

NOW = datetime(2026, 11, 24, 8, 40)
"""A Tuesday morning."""

MODELS = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser()
QWEN = MODELS / "qwen2.5-coder-1.5b-instruct-q4_k_m" / "model.gguf"


async def answer(
    agent: Any, number: int, text: str, language: str = "en", attempt: int = 0, speculative: bool = False
) -> list[Event]:
    events = agent.reply(number, text, language, attempt=attempt, speculative=speculative)
    return [event async for event in events]


def words(events: Sequence[Event]) -> str:
    return "".join(event.text for event in events if isinstance(event, ReplyDelta))


def context_of(
    *, language: str = "en", dialogue: Sequence[tuple[str, str]] = (), emit: Callable[[Event], None] = lambda _: None
) -> CallContext:
    return CallContext(
        call_id="c",
        caller="+15550100",
        called="+15550101",
        language=language,
        now=NOW,
        reply=1,
        dialogue=list(dialogue),
        emit=emit,
    )


async def invoke(tool: FunctionTool, context: CallContext, **arguments: Any) -> Any:
    """Run a tool as the SDK does."""
    text = json.dumps(arguments)
    wrapped = RunContextWrapper(context)
    call = ToolContext.from_agent_context(wrapped, "call_1", tool_name=tool.name, tool_arguments=text)
    return await tool.on_invoke_tool(call, text)


class FakeEndpoint:
    """An OpenAI-compatible service that plays a script: each request takes the next answer, a list of steps.

    A step is text (streamed as one delta), ("call", name, arguments), a number (seconds of silence), an HTTP status
    before any text, or "drop" in angle brackets to cut the connection.
    """

    def __init__(self, *script: list[Any]) -> None:
        self.script = list(script)
        self.requests: list[dict[str, Any]] = []
        self.dropped = asyncio.Event()
        """Set when a client left before its answer was complete."""

    async def complete(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json())
        steps = self.script.pop(0)
        if steps and isinstance(steps[0], dict):
            return web.json_response(steps[0]["body"], status=steps[0]["status"])
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        reason = "stop"
        try:
            for step in steps:
                match step:
                    case "<drop>":
                        request.transport.close()  # type: ignore[union-attr]
                        return response
                    case str(text):
                        await response.write(_chunk({"content": text}))
                    case int() | float():
                        await asyncio.sleep(step)
                    case ("call", name, arguments):
                        function = {"name": name, "arguments": arguments}
                        call = {
                            "index": 0,
                            "id": f"call_{len(self.requests)}",
                            "type": "function",
                            "function": function,
                        }
                        await response.write(_chunk({"tool_calls": [call]}))
                        reason = "tool_calls"
            await response.write(_chunk({}, reason) + b"data: [DONE]\n\n")
        except (ConnectionError, asyncio.CancelledError):
            self.dropped.set()
            raise
        return response


def _chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
    body = {
        "id": "x",
        "object": "chat.completion.chunk",
        "created": 0,
        "model": "m",
        "choices": [{"index": 0, "delta": delta, "finish_reason": reason}],
    }
    return b"data: " + json.dumps(body).encode() + b"\n\n"


@asynccontextmanager
async def serving(endpoint: FakeEndpoint) -> AsyncIterator[str]:
    """Its base URL, while it is up."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", endpoint.complete)
    async with TestServer(app, handler_cancellation=True) as server:
        yield str(server.make_url("/v1"))
