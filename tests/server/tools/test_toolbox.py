import sys
from pathlib import Path

import pytest

from pipelines.errors import ConfigError
from server.tools.mcp import McpServer
from server.tools.toolbox import Toolbox
from tests.helpers.agent import NOW, context_of, invoke

TODAY = NOW.date()
MCP_SERVER = Path(__file__).parent / "mcp_clock.py"


def shout(text: str) -> str:
    """say it loud"""
    return text.upper()


async def test_all_kinds_of_tools_together(tmp_path: Path) -> None:
    server = McpServer(name="clock", command=[sys.executable, str(MCP_SERVER)], tools=["double"])
    names = ["clinic", "tests.server.tools.test_toolbox:shout"]
    box = await Toolbox.open(names, mcp=[server], transfer_number="+15550199", data=tmp_path, today=TODAY)
    try:
        tools = {tool.name: tool for tool in box.tools}
        assert {"find_slots", "shout", "double", "hang_up", "transfer_to_person"} <= set(tools)
        assert "halve" not in tools
        assert await invoke(tools["shout"], context_of(), text="hi") == "HI"
        assert "42" in str(await invoke(tools["double"], context_of(), number=21))
        assert box.examples["fr"]
    finally:
        await box.close()


@pytest.mark.parametrize(
    ("names", "mcp", "wrong"),
    [
        (["no.such.module:f"], [], "cannot be imported"),
        (["tests.server.tools.test_toolbox:missing"], [], "cannot be imported"),
        (["receptionist"], [], "shipped set"),
        (["tests.server.tools.test_toolbox:TODAY"], [], "no function"),
        (["clinic", "clinic"], [], "two tools"),
        ([], [McpServer(name="m", url="http://127.0.0.1:9/mcp")], "mcp server 'm'"),
        ([], [McpServer(name="m")], "either url or command"),
    ],
)
async def test_what_cannot_be_used_is_said(tmp_path: Path, names, mcp, wrong: str) -> None:
    with pytest.raises(ConfigError, match=wrong):
        await Toolbox.open(names, mcp=mcp, data=tmp_path, today=TODAY)


async def test_nobody_to_transfer_to_means_no_such_tool(tmp_path: Path) -> None:
    box = await Toolbox.open(data=tmp_path, today=TODAY)
    assert [tool.name for tool in box.tools] == ["hang_up"]
    await box.close()
