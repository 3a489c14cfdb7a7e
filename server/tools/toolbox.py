"""All tools of one agent, opened at start and closed at the end."""

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import date
from pathlib import Path

import aiohttp
from agents import FunctionTool

from pipelines.errors import ConfigError
from server.examples.clinic import texts as clinic
from server.examples.clinic.clinic import open_clinic
from server.tools.call import GOODBYE, HANDING_OVER, call_tools
from server.tools.functions import load_function
from server.tools.http import HttpTool, http_tool
from server.tools.mcp import McpServer, mcp_server, mcp_tools

Examples = Mapping[str, Sequence[tuple[str, str]]]


class Toolbox:
    """`tools` and `examples` for `AgentFactory`, and whatever must be kept open behind them. `phrases`: by language, what
    the tools say word for word again and again."""

    def __init__(
        self, tools: list[FunctionTool], examples: Examples, phrases: Mapping[str, Sequence[str]], stack: AsyncExitStack
    ) -> None:
        self.tools, self.examples, self.phrases = tools, examples, phrases
        self._stack = stack

    @classmethod
    async def open(
        cls,
        names: Sequence[str] = (),
        *,
        http: Sequence[HttpTool] = (),
        mcp: Sequence[McpServer] = (),
        transfer_number: str = "",
        keypad: bool = False,
        data: Path,
        today: date,
        goodbye: Mapping[str, str] = GOODBYE,
        handing_over: Mapping[str, str] = HANDING_OVER,
    ) -> "Toolbox":
        """`names`: shipped sets ("clinic") and functions ("package.module:function"). `data`: folder where shipped sets
        keep their database. `today`: the local date, from which the clinic's free slots are laid out.

        Raises `ConfigError` when a tool cannot be loaded, or two have one name. Call `close` in the task that called
        this: the MCP client is bound to it.
        """
        async with AsyncExitStack() as stack:
            tools: list[FunctionTool] = []
            examples: Examples = {}
            phrases: Mapping[str, Sequence[str]] = {}
            for name in names:
                if name == "clinic":
                    diary, found = await open_clinic(data / "clinic.sqlite", today)
                    stack.callback(diary.close)
                    tools += found
                    examples, phrases = clinic.EXAMPLES, clinic.PHRASES
                else:
                    tools.append(load_function(name))
            if http:
                session = await stack.enter_async_context(aiohttp.ClientSession())
                tools += [http_tool(spec, session) for spec in http]
            for spec in mcp:
                server = mcp_server(spec)
                stack.push_async_callback(server.cleanup)
                tools += await mcp_tools(spec, server)
            tools += call_tools(transfer_number, keypad=keypad, goodbye=goodbye, handing_over=handing_over)
            if twice := sorted(name for name, count in Counter(tool.name for tool in tools).items() if count > 1):
                raise ConfigError(f"two tools are called {', '.join(twice)}: rename or leave out one")
            return cls(tools, examples, phrases, stack.pop_all())

    async def close(self) -> None:
        """Close connections and databases."""
        await self._stack.aclose()
