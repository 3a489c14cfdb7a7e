"""The console's routes, on the carriers' port or on one of its own."""

import time
from functools import cache
from pathlib import Path

from aiohttp import web

from server.agents import data_dir
from server.console.audit import Audit, AuditError
from server.console.gate import CONSOLE, SIGN_IN, Gate, Handler
from server.console.live import LiveRoutes
from server.console.pages import HEADERS, prepare
from server.console.past import PastRoutes
from server.console.responses import html, plain
from server.house import House
from server.routes.door import Door

_STATIC = Path(__file__).parent / "static"
_KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def create_console(house: House) -> web.Application:
    """The console alone, for a port of its own."""
    app = web.Application(client_max_size=64 * 1024)
    add_console(app, house, Gate(Door(house), time.monotonic))
    return app


def add_console(app: web.Application, house: House, gate: Gate) -> None:
    """Put the console's routes into an application."""
    prepare()
    door = Door(house)
    audit = Audit(house.config.server.console_audit or data_dir() / "console-audit.jsonl")
    live = LiveRoutes(house, door, gate, audit)
    past = PastRoutes(house, door, gate, audit, live)

    async def sign_in_form(request: web.Request) -> web.Response:
        request[CONSOLE] = True
        if not gate.has_form:
            return web.Response(status=303, headers={"Location": "/"})
        return html(request, "sign_in.html.j2", wrong=False)

    async def sign_in(request: web.Request) -> web.Response:
        request[CONSOLE] = True
        if not gate.is_ours(request):
            return door.refuse("console_origin")
        answer = gate.sign_in(request, (await door.form(request)).get("token", ""))
        return answer or html(request, "sign_in.html.j2", status=401, wrong=True)

    async def sign_out(request: web.Request) -> web.Response:
        return gate.sign_out(request)

    async def static(request: web.Request) -> web.Response:
        """Nothing secret: the sign-in page needs it too."""
        request[CONSOLE] = True
        name = request.match_info["name"]
        if (body := _files().get(name)) is None:
            return plain(404, "there is no such file")
        headers = {"Cache-Control": "max-age=300"}
        return web.Response(body=body, content_type=_KINDS[Path(name).suffix], charset="utf-8", headers=headers)

    app.add_routes([*live.routes(), *past.routes()])
    app.add_routes([web.get(SIGN_IN, sign_in_form), web.post(SIGN_IN, sign_in)])
    app.add_routes([web.post("/sign-out", gate.guard(sign_out)), web.get("/static/{name}", static)])
    app.middlewares.append(_unwritten)
    app.on_response_prepare.append(_protect)

    async def close(_: web.Application) -> None:
        await past.close()

    app.on_cleanup.append(close)


async def _protect(request: web.Request, response: web.StreamResponse) -> None:
    """Every answer of the console says what a browser may do with it."""
    if request.get(CONSOLE):
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)


@web.middleware
async def _unwritten(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except AuditError as error:
        return plain(503, str(error))


@cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in _STATIC.iterdir() if path.suffix in _KINDS}
