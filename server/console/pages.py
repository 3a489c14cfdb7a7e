"""The console's pages: templates, and what they are told. Whatever a caller or a carrier said may be anything: the environment escapes
every word, and long ones are cut."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from urllib.parse import quote, urlencode

import jinja2
import msgspec

from server.analysis.page import OUTCOMES, environment
from server.console.words import NAMES, SCRIPT, words

TEMPLATES = Path(__file__).parent / "templates"
TEXT_LIMIT = 4_000
"""Characters of one text that are shown; the recording has them all."""

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; media-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",  # with "no-referrer" browsers send a form's `Origin` as null
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}


def page(template: str, lang: str = "en", **told: object) -> str:
    """A page, drawn. `lang`: "en" or "fr"."""
    return "".join(pieces(template, lang, **told))


def pieces(template: str, lang: str = "en", **told: object) -> Iterator[str]:
    """A page, as it is drawn: a row of a list is some dozen pieces."""
    told = {"lang": lang, "_": words(lang), "script_words": _script_words(lang), **told}
    return _environment().get_template(template).generate(told)


def prepare() -> None:
    """Compile all templates: a fifth of a second, which no call under way should wait for."""
    for name in _environment().list_templates():
        _environment().get_template(name)


@cache
def _script_words(lang: str) -> str:
    say = words(lang)
    return msgspec.json.encode({text: say(text) for text in (*SCRIPT, *NAMES) if say(text) != text}).decode()


@cache
def _environment() -> jinja2.Environment:
    made = environment(TEMPLATES)
    made.filters.update(clip=clip, masked=masked, address=address, day=day, query=query, outcome=outcome, size=size)
    return made


def clip(text: str, limit: int = TEXT_LIMIT) -> str:
    """What of a text is shown."""
    return text if len(text) <= limit else f"{text[:limit]} … ({len(text) - limit} more characters)"


def masked(number: str, carrier: str = "") -> str:
    """A number by which nobody is called: its last three digits. "" is a withheld one, and of the phone in the browser none."""
    digits = [c for c in number if c.isdigit()]
    if not number:
        return "browser" if carrier == "phone" else "withheld"
    return f"•••{''.join(digits[-3:])}" if len(digits) >= 7 else "•••"


def address(name: str) -> str:
    """A name as a part of a path."""
    return quote(name, safe="")


def day(seconds: float, form: str) -> str:
    """Unix time, for people, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime(form)


def query(fields: Mapping[str, str]) -> str:
    return urlencode(fields)


def outcome(reason: str) -> str:
    return OUTCOMES.get(reason, reason)


def size(count: int) -> str:
    """Bytes, for people."""
    return f"{count / (1 << 20):.1f} MB" if count >= 1 << 20 else f"{count / 1024:.0f} kB"
