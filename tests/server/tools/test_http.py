import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.tools.http import HttpTool, HttpToolError, http_tool
from tests.helpers.agent import context_of, invoke


@pytest.fixture
async def service():
    seen: list[tuple[str, str, str]] = []

    async def echo(request: web.Request) -> web.Response:
        seen.append((request.method, request.path_qs, await request.text()))
        return web.Response(text="été" * int(request.query.get("n", 1)))

    async def away(_: web.Request) -> web.Response:
        raise web.HTTPFound("/echo")

    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    app.router.add_get("/away", away)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        yield server, session, seen


async def test_get_sends_a_query_and_post_a_body(service) -> None:
    server, session, seen = service
    for method in ("GET", "POST"):
        spec = HttpTool(name="echo", description="echo", url=str(server.make_url("/echo")), method=method)
        assert await invoke(http_tool(spec, session), context_of(), city="Lyon & co/../x") == "été"
    assert seen == [
        ("GET", "/echo?city=Lyon+%26+co/../x", ""),
        ("POST", "/echo", '{"city": "Lyon & co/../x"}'),
    ]


async def test_a_long_answer_a_refusal_and_a_redirect_fail(service) -> None:
    server, session, _ = service
    long = HttpTool(name="t", description="", url=str(server.make_url("/echo")), method="GET", max_bytes=64)
    with pytest.raises(HttpToolError, match="longer"):
        await invoke(http_tool(long, session), context_of(), n=100)
    for path in ("/away", "/nowhere"):
        spec = HttpTool(name="t", description="", url=str(server.make_url(path)), method="GET")
        with pytest.raises(HttpToolError, match="status"):
            await invoke(http_tool(spec, session), context_of())


def test_headers_are_not_shown() -> None:
    assert "key" not in repr(HttpTool(name="t", description="", url="http://x", headers={"Authorization": "key"}))
