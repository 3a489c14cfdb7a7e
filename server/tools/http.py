"""HTTP endpoints as tools, declared in the configuration."""

import json
from typing import Any

import aiohttp
import msgspec
from agents import FunctionTool
from agents.tool_context import ToolContext

from pipelines.adapters.agent.watched import ReadingTool
from server.tools.proof import guarded, proving


class HttpTool(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One endpoint. `parameters`: JSON schema (type object) of what the agent must give. GET and DELETE send the
    arguments as the query, other methods as a JSON body; the caller's words never become part of the path or the
    headers."""

    name: str
    description: str
    url: str
    method: str = "POST"
    parameters: dict[str, Any] = msgspec.field(default_factory=lambda: {"type": "object", "properties": {}})
    headers: dict[str, str] = {}
    sensitive: bool = False
    """Not to be run before the caller has proven who he is."""
    proves: bool = False
    """That it succeeds proves who the caller is."""
    max_bytes: int = 16_384
    """Longest answer read; a longer one fails the tool."""

    def __repr__(self) -> str:
        return f"HttpTool(name={self.name!r}, url={self.url!r})"  # headers hold keys


class HttpToolError(Exception):
    """The endpoint refused, or answered too much."""


def http_tool(spec: HttpTool, session: aiohttp.ClientSession) -> FunctionTool:
    """A tool that calls the endpoint through `session`. Redirects are not followed: the configured host is the one that
    is asked.

    The time limit is the tool's own, set by the agent that runs it.
    """

    async def invoke(_: ToolContext[Any], arguments: str) -> str:
        values: dict[str, Any] = json.loads(arguments or "{}")
        if spec.method in ("GET", "DELETE"):
            body: dict[str, Any] = {
                "params": {k: v if isinstance(v, str) else json.dumps(v) for k, v in values.items()}
            }
        else:
            body = {"json": values}
        async with session.request(
            spec.method, spec.url, headers=spec.headers, allow_redirects=False, **body
        ) as response:
            if not 200 <= response.status < 300:
                raise HttpToolError(f"{spec.name}: status {response.status}")
            answer = await response.content.read(spec.max_bytes + 1)
            while len(answer) <= spec.max_bytes and (
                more := await response.content.read(spec.max_bytes + 1 - len(answer))
            ):
                answer += more
            if len(answer) > spec.max_bytes:
                raise HttpToolError(f"{spec.name}: answer longer than {spec.max_bytes} bytes")
            return answer.decode(response.charset or "utf-8", errors="replace")

    kind = ReadingTool if spec.method == "GET" else FunctionTool  # RFC 9110, section 9.2.1: GET is safe
    tool = kind(
        name=spec.name,
        description=spec.description,
        params_json_schema=spec.parameters,
        on_invoke_tool=invoke,
        strict_json_schema=False,
    )
    return guarded(tool) if spec.sensitive else proving(tool) if spec.proves else tool
