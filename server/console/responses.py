"""How the console answers."""

import asyncio
import time

from aiohttp import web

from server.console.gate import WHO
from server.console.pages import page, pieces
from server.console.words import language

_PIECE = 256 * 1024
_STRETCH_S = 0.0005  # of drawing at a time
PHONE = web.AppKey("phone", bool)
"""Whether the application has the phone in the browser too."""


def html(request: web.Request, template: str, *, status: int = 200, **told: object) -> web.Response:
    """A page, for whoever is signed in."""
    return _response(page(template, **about(request), **told), status)


async def listed(request: web.Request, template: str, **told: object) -> web.Response:
    """The same of a long page. 50 rows take three milliseconds: calls under way get the loop back several times in between."""
    drawn, until = [], 0.0
    for piece in pieces(template, **about(request), **told):
        drawn.append(piece)
        if time.perf_counter() > until:
            await asyncio.sleep(0)
            until = time.perf_counter() + _STRETCH_S
    return _response("".join(drawn), 200)


def _response(text: str, status: int) -> web.Response:
    return web.Response(body=text.encode(errors="replace"), status=status, content_type="text/html", charset="utf-8")


def about(request: web.Request) -> dict[str, str | bool]:
    """What every page is told: who looks, in which language, and whether the phone is a door further on."""
    return {"who": request.get(WHO, ""), "lang": lang_of(request), "phone": request.app.get(PHONE, False)}


def lang_of(request: web.Request) -> str:
    """ "en" or "fr"."""
    return language(request.headers.get("Accept-Language", ""))


def message(request: web.Request, status: int, title: str, text: str) -> web.Response:
    """A page that says one thing; the same in a line for who wants no page."""
    if "text/html" not in request.headers.get("Accept", ""):
        return plain(status, f"{title}: {text}")
    return html(request, "message.html.j2", status=status, title=title, text=text)


def plain(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=f"{text}\n" if text else None)


async def ranged(request: web.Request, body: bytes, kind: str) -> web.StreamResponse:
    """A body of which players ask for pieces (RFC 9110, 14)."""
    try:
        asked = request.http_range
    except ValueError:
        asked = slice(len(body), None)
    first, end, _ = asked.indices(len(body))
    headers = {"Content-Type": kind, "Accept-Ranges": "bytes"}
    if first >= end:
        return web.Response(status=416, headers={**headers, "Content-Range": f"bytes */{len(body)}"})
    part = asked.start is not None
    if part:
        headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(body)}"
    response = web.StreamResponse(status=206 if part else 200, headers=headers)
    response.content_length = end - first
    await response.prepare(request)
    whole = memoryview(body)
    for at in range(first, end, _PIECE):
        await response.write(whole[at : min(at + _PIECE, end)])
    return response
