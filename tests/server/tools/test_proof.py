"""Sensitive tools: a voice does not open them, a proof does."""

import sys

import aiohttp
import pytest
from agents import RunContextWrapper
from aiohttp import web
from aiohttp.test_utils import TestServer

from pipelines.adapters.agent.context import CallContext, Identity, KnownCaller
from pipelines.adapters.agent.watched import ReadingTool
from server.tools.functions import function_as_tool, reads_only, sensitive
from server.tools.http import HttpTool, HttpToolError, http_tool
from server.tools.mcp import McpServer
from server.tools.proof import NOT_PROVEN
from server.tools.toolbox import Toolbox
from tests.helpers.agent import NOW, context_of, invoke
from tests.server.tools.test_toolbox import MCP_SERVER, TODAY


@sensitive
@reads_only
def balance() -> str:
    """what is on the account"""
    return "12 euros"


def check_code(context: RunContextWrapper[CallContext], code: str) -> str:
    """the code that the caller has"""
    if code != "4711":
        return "wrong"
    context.context.prove()
    return "right"


async def test_a_known_voice_is_no_proof_and_a_code_is() -> None:
    context = context_of()
    context._identity.known = KnownCaller("Anne", 0.95, 0.82)
    tool, check = function_as_tool(balance), function_as_tool(check_code)
    assert isinstance(tool, ReadingTool)
    assert tool.description == "what is on the account (only for a caller who has proven who he is)"
    assert await invoke(tool, context) == NOT_PROVEN
    assert await invoke(check, context, code="0000") == "wrong"
    assert await invoke(tool, context) == NOT_PROVEN
    assert await invoke(check, context, code="4711") == "right"
    assert await invoke(tool, context) == "12 euros"


async def test_a_proof_holds_for_the_call_and_for_no_other() -> None:
    def reply(identity: Identity) -> CallContext:
        return CallContext(
            call_id="c",
            caller="",
            called="",
            language="fr",
            now=NOW,
            reply=1,
            dialogue=[],
            emit=print,
            identity=identity,
        )

    call, other = Identity(), Identity()
    reply(call).prove()
    assert await invoke(function_as_tool(balance), reply(call)) == "12 euros"
    assert await invoke(function_as_tool(balance), reply(other)) == NOT_PROVEN


@pytest.fixture
async def service():
    async def code(request: web.Request) -> web.Response:
        return web.Response(text="ok", status=200 if request.query["code"] == "4711" else 403)

    app = web.Application()
    app.router.add_get("/code", code)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield str(server.make_url("/code")), session


async def test_an_endpoint_may_prove_and_may_be_sensitive(service) -> None:
    url, session = service
    check = http_tool(HttpTool(name="check", description="d", url=url, method="GET", proves=True), session)
    account = http_tool(HttpTool(name="account", description="d", url=url, method="GET", sensitive=True), session)
    context = context_of()
    with pytest.raises(HttpToolError, match="403"):
        await invoke(check, context, code="1")
    assert await invoke(account, context, code="4711") == NOT_PROVEN
    assert await invoke(check, context, code="4711") == "ok"
    assert await invoke(account, context, code="4711") == "ok"


async def test_some_of_a_server_s_tools_may_be_sensitive(tmp_path) -> None:
    server = McpServer(name="clock", command=[sys.executable, str(MCP_SERVER)], sensitive=["double"])
    box = await Toolbox.open(mcp=[server], data=tmp_path, today=TODAY)
    try:
        tools = {tool.name: tool for tool in box.tools}
        assert await invoke(tools["double"], context_of(), number=21) == NOT_PROVEN
        assert "21" in str(await invoke(tools["halve"], context_of(), number=42))
    finally:
        await box.close()
