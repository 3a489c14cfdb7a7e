"""A language model without a model, and a tool without an end: what a load test needs of an agent, at no cost.

POST /v1/chat/completions, streamed as OpenAI streams it: with the tool `look_up` on offer it calls that, otherwise it
talks at length. POST /look_up: answers after half a minute.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from aiohttp import web

_TALK = "We are open from Monday to Friday, from eight in the morning until six, and on Saturday until noon. "
_SLOW_S = 30.0


class FakeLlm:
    """`asked`: replies asked for so far; `looking`: look-ups begun; `begun` tells of each of both. `slow_s`: how long its first
    word takes; `broken`: it answers with an error."""

    def __init__(self, talk: str = _TALK * 4) -> None:
        """`talk`: what it answers, 50 words a second."""
        self._talk = talk
        self.asked = self.looking = 0
        self.slow_s, self.broken = 0.0, False
        self.begun = asyncio.Condition()

    async def complete(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        async with self.begun:
            self.asked += 1
            self.begun.notify_all()
        if self.broken:
            return web.json_response(
                {"error": {"message": "out of order"}}, status=400
            )  # 400: clients do not try again
        await asyncio.sleep(self.slow_s)
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        tools = [tool["function"]["name"] for tool in asked.get("tools") or []]
        with suppress(ConnectionError):  # the reply was cancelled
            if "look_up" in tools:
                function = {"name": "look_up", "arguments": "{}"}
                call = {"index": 0, "id": "call_1", "type": "function", "function": function}
                await self._send(response, {"role": "assistant", "tool_calls": [call]})
                await self._send(response, {}, "tool_calls")
            else:
                await self._send(response, {"role": "assistant", "content": ""})
                for word in self._talk.split():
                    await self._send(response, {"content": word + " "})
                    await asyncio.sleep(0.02)
                await self._send(response, {}, "stop")
            await response.write(b"data: [DONE]\n\n")
        return response

    async def _send(self, response: web.StreamResponse, delta: dict, finish: str | None = None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish}
        chunk = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "fake", "choices": [choice]}
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())

    async def look_up(self, request: web.Request) -> web.Response:
        async with self.begun:
            self.looking += 1
            self.begun.notify_all()
        await asyncio.sleep(_SLOW_S)
        return web.json_response({})

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[str]:
        """The base URL, while it serves."""
        app = web.Application()
        app.add_routes([web.post("/v1/chat/completions", self.complete), web.post("/look_up", self.look_up)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()


def config(url: str, *, extra: str = "") -> str:
    """A server's configuration: +15550100 echoes, +15550101 talks, +15550102 looks up. `extra`: more of the [[agents]]
    that talk."""
    return f"""
[server]
max_calls = 1000
drain_seconds = 0

[models.llm]
kind = "openai"
base_url = "{url}/v1"
model = "fake"

[[agents]]
name = "echo"
kind = "echo"
numbers = ["+15550100"]

[[agents]]
name = "talker"
numbers = ["+15550101"]
languages = ["en"]
{extra}

[[agents]]
name = "tooler"
numbers = ["+15550102"]
languages = ["en"]
tool_timeout_s = 8
{extra}

[[agents.http_tools]]
name = "look_up"
description = "Looks something up."
url = "{url}/look_up"
"""
