"""How the console answers."""

from aiohttp import web

from server.console.gate import WHO
from server.console.pages import page
from server.console.words import language


def html(request: web.Request, template: str, *, status: int = 200, **told: object) -> web.Response:
    """A page, for whoever is signed in."""
    text = page(template, **{"who": request.get(WHO, ""), "here": "", "lang": lang_of(request), **told})
    return web.Response(body=text.encode(errors="replace"), status=status, content_type="text/html", charset="utf-8")


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
