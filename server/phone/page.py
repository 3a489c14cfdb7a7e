"""The phone's pages and their files. Templates escape every word; the policy lets nothing run or load but our own files."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import jinja2
import msgspec
from aiohttp import web

from server.agent_config import AgentConfig
from server.phone.words import ENGLISH, FRENCH, Words

_HERE = Path(__file__).parent
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self), speaker-selection=(self), camera=()",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
KEYS = "123456789*0#"


def words_for(accepted: str) -> Words:
    """English or French, whichever the browser names first (`Accept-Language`)."""
    for name in accepted[:200].lower().split(","):
        for words in (ENGLISH, FRENCH):
            if name.strip().startswith(words["lang"]):
                return words
    return ENGLISH


def phone(words: Words, agents: Sequence[AgentConfig]) -> str:
    js = msgspec.json.encode(words["js"]).decode()
    return _templates().get_template("phone.html.j2").render(t=words, js=js, agents=agents, keys=KEYS)


def sign_in(words: Words, *, wrong: bool = False, operators: bool = False) -> str:
    """`operators`: whether there is a console where they sign in."""
    return _templates().get_template("sign_in.html.j2").render(t=words, wrong=wrong, operators=operators)


def respond(html: str, status: int = 200) -> web.Response:
    headers = {**_HEADERS, "Cache-Control": "no-store"}
    return web.Response(text=html, status=status, content_type="text/html", headers=headers)


def static(name: str) -> web.Response:
    """One of our files; 404 for any other name."""
    if (body := _files().get(name)) is None:
        return web.Response(status=404, text="not found\n")
    headers = {**_HEADERS, "Cache-Control": "no-cache"}
    return web.Response(body=body, content_type=_TYPES[Path(name).suffix], charset="utf-8", headers=headers)


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


@cache
def _files() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (_HERE / "static").iterdir() if path.suffix in _TYPES}
