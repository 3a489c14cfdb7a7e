"""Tools of MCP servers (Model Context Protocol, https://modelcontextprotocol.io), reached over streamable HTTP or a
child's pipes."""

import asyncio

import msgspec
from agents import FunctionTool
from agents.mcp import MCPServer, MCPServerStdio, MCPServerStreamableHttp, MCPUtil
from mcp.types import Tool as MCPTool

from pipelines.adapters.agent.watched import reading
from pipelines.errors import ConfigError
from server.tools.proof import guarded

_CONNECT_S = 15.0


class McpServer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One server: `url` (streamable HTTP) or `command` (a program that speaks over its standard input and output).
    `tools`: those the agent may use; empty for all. `sensitive`: those that wait until the caller has proven who he is. `env`: of the program."""

    name: str
    url: str = ""
    command: list[str] = []
    headers: dict[str, str] = {}
    env: dict[str, str] = {}
    tools: list[str] = []
    sensitive: list[str] = []

    def __repr__(self) -> str:
        return f"McpServer(name={self.name!r}, url={self.url!r}, command={self.command!r})"  # headers and env hold keys


def mcp_server(spec: McpServer) -> MCPServer:
    """The SDK's client of the server, not yet connected. Raises `ConfigError` unless exactly one of `url` and `command`
    is set."""
    if bool(spec.url) == bool(spec.command):
        raise ConfigError(f"mcp server {spec.name!r}: set either url or command")
    if spec.url:
        return MCPServerStreamableHttp({"url": spec.url, "headers": spec.headers}, name=spec.name)
    program, *arguments = spec.command
    return MCPServerStdio({"command": program, "args": arguments, "env": spec.env}, name=spec.name)


async def mcp_tools(spec: McpServer, server: MCPServer) -> list[FunctionTool]:
    """Connect and list once: the tool list is part of the agent's cached prompt and stays the same for the server's
    life. Raises `ConfigError` when the server cannot be reached or lacks a tool that was asked for."""
    try:
        async with asyncio.timeout(_CONNECT_S):
            await server.connect()
            listed = await server.list_tools()
    except Exception as error:  # the transport raises whatever its layers raise
        raise ConfigError(f"mcp server {spec.name!r} cannot be used: {type(error).__name__}") from error
    missing = {*spec.tools, *spec.sensitive} - {tool.name for tool in listed}
    if missing:
        raise ConfigError(f"mcp server {spec.name!r} has no tool {', '.join(sorted(missing))}")
    tools = [_tool(tool, server) for tool in listed if not spec.tools or tool.name in spec.tools]
    return [guarded(tool) if tool.name in spec.sensitive else tool for tool in tools]


def _tool(listed: MCPTool, server: MCPServer) -> FunctionTool:
    tool = MCPUtil.to_function_tool(listed, server, convert_schemas_to_strict=False, failure_error_function=None)
    return reading(tool) if listed.annotations is not None and listed.annotations.read_only_hint else tool
