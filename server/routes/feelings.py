"""What a sentence or a clip feels like, to try out: POST /api/feelings (JSON), and /feelings, the page around it.

Who may: whoever brings `server.api_token`, as a bearer token or, in a browser, as the password of any name; without one configured, loopback; and operators
who have signed in at the console.
"""

import asyncio
import base64
from collections.abc import AsyncIterator

import msgspec
import structlog
from aiohttp import BodyPartReader, web

from pipelines.errors import ModelError
from server import auth, sound
from server.console.gate import Gate as Operators
from server.feelings import Felt
from server.house import House
from server.routes import feelings_page
from server.routes.door import Door

log = structlog.get_logger()

TEXT_LIMIT = 2_000
"""Characters."""
_BODY_LIMIT = sound.LIMIT_BYTES + (64 << 10)  # a form's other fields
_FIELD_LIMIT = 16 << 10  # bytes
_TIME_LIMIT_S = 30.0
_FIELDS = ("text", "language", "clip")


class Asked(msgspec.Struct, frozen=True):
    """What is asked: `text`, or `clip`, the bytes of a sound file; `language`: "" for the first (text), for whichever is heard (clip)."""

    text: str = ""
    language: str = ""
    clip: bytes = b""


class _Refused(Exception):
    """A request that is not answered: its status, and what to do about it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


class FeelingRoutes:
    """One clip at a time, and none while there is a call: callers come first."""

    def __init__(self, house: House, operators: Operators | None = None) -> None:
        self._house, self._door, self._operators = house, Door(house), operators
        token = house.config.server.api_token
        self._token = token.get_secret_value() if token else ""
        talking = [agent for agent in house.config.agents if agent.kind == "llm"]
        self._languages = list(dict.fromkeys(language for agent in talking for language in agent.languages))
        self._busy = False

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/api/feelings", self.api),
            web.get("/feelings", self.page),
            web.post("/feelings", self.page),
        ]

    async def api(self, request: web.Request) -> web.Response:
        """JSON {"text", "language"}, a sound file as the body (`?language=`), or a form with `text` or `clip`, and `language`. 200 with `text`, `language`,
        and `sentiment` and `emotion`: each a `label` and `probabilities`, or null; else `errors`, each with its mend."""
        try:
            self._admit(request)
            felt = await self._felt(request)
        except _Refused as refused:
            headers = {401: {"WWW-Authenticate": "Bearer"}, 429: {"Retry-After": "10"}, 503: {"Retry-After": "60"}}
            return web.json_response(
                {"errors": [str(refused)]}, status=refused.status, headers=headers.get(refused.status)
            )
        return web.json_response(
            {
                "text": felt.text,
                "language": felt.language,
                "sentiment": _judged(felt.sentiment),
                "emotion": _judged(felt.emotion),
            }
        )

    async def page(self, request: web.Request) -> web.Response:
        """The form; after a POST, what it says above it."""
        felt, error, status = None, "", 200
        try:
            self._admit(request)
            if request.method == "POST":
                felt = await self._felt(request)
        except _Refused as refused:
            if refused.status in (401, 403):
                headers = {"WWW-Authenticate": 'Basic realm="allo", charset="UTF-8"'} if refused.status == 401 else None
                return web.Response(status=refused.status, text=f"{refused}\n", headers=headers)
            error, status = str(refused), refused.status
        return web.Response(
            status=status,
            text=feelings_page.render(
                felt,
                error,
                languages=self._languages,
                hears=self._house.ready and self._house.feelings.hears,
                accepted=request.headers.get("Accept-Language", ""),
            ),
            content_type="text/html",
            headers=feelings_page.HEADERS,
        )

    def _admit(self, request: web.Request) -> None:
        """Raises _Refused, counted."""
        # A browser sends password and cookie with whatever page asks it to, so that page must be ours.
        at_home = request.headers.get("Origin", "").partition("://")[2] in ("", request.host)
        if at_home and self._operators is not None and self._operators.signed_in(request):
            return
        if not self._token:
            if not self._door.on_loopback(request):
                self._door.count_refusal("feelings_not_loopback")
                raise _Refused(403, "this is for loopback. Set server.api_token, and bring it.")
            return
        header = request.headers.get("Authorization", "")
        if auth.bearer_authorized(header, self._token):
            return
        if not (auth.basic_authorized(header, _user(header), self._token) and at_home):
            self._door.count_refusal("feelings_token")
            raise _Refused(401, "the token is not the configured one. Bring server.api_token.")

    async def _felt(self, request: web.Request) -> Felt:
        """The answer. Raises _Refused."""
        if not self._house.ready:
            raise _Refused(503, "models are loading. Try again later.")
        if why := self._house.feelings.missing:
            raise _Refused(503, why)
        if self._busy:
            raise _Refused(429, "somebody else is trying. Try again in a moment.")
        self._busy = True
        try:
            async with asyncio.timeout(_TIME_LIMIT_S):
                return await self._answer(await _read(request))
        except TimeoutError:
            raise _Refused(503, "it took too long. Try again, or send less.") from None
        except ModelError as error:
            log.warning("feelings_failed", error=str(error))
            raise _Refused(503, "a model failed. Try again.") from error
        finally:
            self._busy = False

    async def _answer(self, asked: Asked) -> Felt:
        if bool(asked.text.strip()) == bool(asked.clip):
            raise _Refused(400, "give a text or a clip, and not both.")
        if asked.language and asked.language not in self._languages:
            raise _Refused(400, f"language: take one of {', '.join(self._languages)}.")
        if asked.text:
            if len(asked.text) > TEXT_LIMIT:
                raise _Refused(413, f"the text is longer than {TEXT_LIMIT} characters. Send a part of it.")
            text = " ".join(asked.text.split())
            return await self._house.feelings.of_text(text, asked.language or self._languages[0])
        if not self._house.feelings.hears:
            raise _Refused(503, "no recogniser is loaded. Configure an agent that talks, or send a text.")
        if self._house.sessions:
            raise _Refused(503, "a call is under way, and has the recogniser. Send a text, or try again later.")
        try:
            audio = await asyncio.to_thread(sound.heard, asked.clip)
        except sound.SoundError as error:
            raise _Refused(400, str(error)) from error
        return await self._house.feelings.of_clip(audio, [asked.language] if asked.language else self._languages)


async def _read(request: web.Request) -> Asked:
    """The request, never more of it than may be. Raises _Refused."""
    if (request.content_length or 0) > _BODY_LIMIT:
        raise _Refused(413, _too_large())
    if request.content_type == "multipart/form-data":
        return await _form(request)
    if request.content_type == "application/json":
        body = await _bounded(request.content.iter_chunked(1 << 16), _FIELD_LIMIT)
        try:
            written = msgspec.json.decode(body, type=_Written)
        except (msgspec.DecodeError, RecursionError):
            raise _Refused(400, 'the body is not {"text": "...", "language": "en"}. Send that.') from None
        return Asked(written.text, written.language)
    clip = await _bounded(request.content.iter_chunked(1 << 16), sound.LIMIT_BYTES)
    return Asked(language=request.query.get("language", ""), clip=clip)


class _Written(msgspec.Struct, forbid_unknown_fields=True):
    text: str
    language: str = ""


async def _form(request: web.Request) -> Asked:
    fields: dict[str, bytes] = {}
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name not in _FIELDS or part.name in fields:
                raise _Refused(400, f"the form has {', '.join(_FIELDS)}, each once. Send no other field.")
            fields[part.name] = await _bounded(
                _chunks(part), sound.LIMIT_BYTES if part.name == "clip" else _FIELD_LIMIT
            )
        words = {name: fields.get(name, b"").decode() for name in ("text", "language")}
    except (ValueError, RuntimeError):  # no boundary, a part that does not end, bytes that are no text
        raise _Refused(400, "the form is broken. Send it again.") from None
    return Asked(words["text"], words["language"], fields.get("clip", b""))


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk():
        yield chunk


async def _bounded(chunks: AsyncIterator[bytes], limit: int) -> bytes:
    """All of it, up to `limit` bytes. Raises _Refused."""
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limit:
            raise _Refused(413, _too_large())
    return bytes(body)


def _too_large() -> str:
    return (
        f"that is too much. Send {TEXT_LIMIT} characters of text, or a clip of {sound.LIMIT_BYTES >> 20} MB, at most."
    )


def _judged(probabilities: dict[str, float] | None) -> dict | None:
    if probabilities is None:
        return None
    return {"label": max(probabilities, key=probabilities.__getitem__), "probabilities": probabilities}


def _user(header: str) -> str:
    """Whatever name the browser was given: the password is what counts."""
    try:
        return base64.b64decode(header.partition(" ")[2], validate=True).decode().partition(":")[0]
    except ValueError:
        return ""
