"""Calls under way, for operators: who calls, what is said, listening in, and what may be done about it."""

import asyncio
import re
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import islice

import msgspec
from aiohttp import web

from server.console.audit import Audit
from server.console.gate import WHO, Gate
from server.console.listening import Listening, wav_header
from server.console.pages import clip, masked
from server.console.responses import html, message, plain
from server.house import House
from server.observe.live import Caption, Fact, Live, Saying, Taken
from server.routes.calls import NUMBER
from server.routes.door import Door
from server.session import Session

_LIST_S = 1.0  # between two looks at the list
_AGAIN_S = 10.0  # after which it is told again, changed or not: that is how a lost browser is noticed
_WRITE_S = 10.0  # a browser that takes nothing for so long is let go
_STREAMS = 64  # of all operators together
_LISTENERS = 16
_NOTE = 1_000  # characters
_CALLS = 500


class Row(msgspec.Struct, frozen=True):
    """A call of the list. `age`, `gap`: seconds."""

    name: str
    who: str
    agent: str
    carrier: str
    state: str
    gap: float | None
    age: float


class _List(msgspec.Struct, frozen=True):
    """The list as JSON, good `until` then (monotonic s); `ageless`: what of it changes only when something happens."""

    until: float
    told: bytes
    ageless: bytes


class LiveRoutes:
    def __init__(self, house: House, door: Door, gate: Gate, audit: Audit) -> None:
        self._house, self._door, self._gate, self._audit = house, door, gate, audit
        self._streams = self._listeners = 0
        self._list = _List(-1.0, b"", b"")

    def routes(self) -> list[web.RouteDef]:
        guard = self._gate.guard
        return [
            web.get("/live/events", guard(self.list_events)),
            web.get("/live/{name}", guard(self.page)),
            web.get("/live/{name}/events", guard(self.events)),
            web.get("/live/{name}/sound.wav", guard(self.sound)),
            web.post("/live/{name}/note", guard(self.note)),
            web.post("/live/{name}/transfer", guard(self.transfer)),
            web.post("/live/{name}/hang-up", guard(self.hang_up)),
        ]

    # ---- the list

    def rows(self, limit: int = _CALLS) -> list[Row]:
        """Calls under way, the youngest first, no more than `limit`."""
        return [
            Row(
                session.name,
                masked(live.caller, live.carrier),
                clip(live.agent, 60),
                live.carrier[:20],
                live.state,
                live.gap,
                round(session.age_s, 1),
            )
            for session, live in islice(reversed(self._house.sessions.items()), limit)
        ]

    def _listed(self) -> "_List":
        """The list, made once for all who look."""
        now = time.monotonic()
        if now >= self._list.until:
            rows = self.rows()
            ageless = [msgspec.structs.replace(row, age=0) for row in rows]
            self._list = _List(now + _LIST_S / 2, msgspec.json.encode(rows), msgspec.json.encode(ageless))
        return self._list

    async def list_events(self, request: web.Request) -> web.StreamResponse:
        """The list by server-sent events, whenever it changes."""
        async with self._stream(request, "text/event-stream") as stream:
            seen, told_at = b"", 0.0
            while stream is not None:
                listed = self._listed()
                if listed.ageless != seen or time.monotonic() - told_at > _AGAIN_S:
                    await _send(stream, b"data: " + listed.told + b"\n\n")
                    seen, told_at = listed.ageless, time.monotonic()
                await asyncio.sleep(_LIST_S)
        return stream or plain(503, "too many look at once")

    # ---- one call

    def _found(self, request: web.Request) -> tuple[Session, Live] | None:
        name = request.match_info["name"]
        return next(((s, live) for s, live in self._house.sessions.items() if s.name == name), None)

    async def page(self, request: web.Request) -> web.Response:
        found = self._found(request)
        if found is None:
            return message(
                request, 404, "This call is over", "Its recording, if there is one, is among the past calls."
            )
        session, live = found
        agent = self._house.config.agent_named(live.agent)
        return html(
            request,
            "live.html.j2",
            name=session.name,
            who_calls=masked(live.caller, live.carrier),
            agent=live.agent,
            carrier=live.carrier,
            call_id=live.call_id,
            state=live.state,
            gap=live.gap,
            age=round(session.age_s, 1),
            dump=live.dump,
            transfer=(agent.transfer_number if agent else None) or "",
        )

    async def events(self, request: web.Request) -> web.StreamResponse:
        """What happens in the call, by server-sent events: what was so far, then each fact."""
        found = self._found(request)
        if found is None:
            return plain(204, "")  # tells a browser not to ask again
        try:
            watching = found[1].watch()
        except OverflowError:
            return plain(503, "too many watch this call")
        try:
            async with self._stream(request, "text/event-stream") as stream:
                while stream is not None:
                    try:
                        async with asyncio.timeout(_AGAIN_S):
                            fact = await anext(watching, None)
                    except TimeoutError:
                        await _send(stream, b": still here\n\n")
                        continue
                    if fact is None:
                        break
                    await _send(stream, b"data: " + msgspec.json.encode(_cut(fact)) + b"\n\n")
        finally:
            watching.close()
        return stream or plain(503, "too many look at once")

    async def sound(self, request: web.Request) -> web.StreamResponse:
        """What both hear, as 16-bit stereo WAV without an end: the caller left, the agent right."""
        found = self._found(request)
        if found is None:
            return plain(404, "this call is over")
        if self._listeners >= _LISTENERS:
            return plain(503, "too many listen in")
        session, live = found
        await self._audit.write(request[WHO], "listen_in", call=live.call_id, dump=live.dump)
        started = session.started
        if started is None:  # between two lines of its beginning
            return plain(404, "this call has no sound yet")
        listening = Listening(started.inbound, started.outbound)
        session.attach(listening)
        self._listeners += 1
        try:
            async with self._stream(request, "audio/wav") as stream:
                if stream is not None:
                    await _send(stream, wav_header(listening.rate))
                    async for piece in listening:
                        await _send(stream, piece)
        finally:
            self._listeners -= 1
            session.detach(listening)
        return stream or plain(503, "too many look at once")

    @asynccontextmanager
    async def _stream(self, request: web.Request, kind: str) -> AsyncIterator[web.StreamResponse | None]:
        """An answer that goes on; None when there are too many. A browser that goes away ends it, quietly."""
        if self._streams >= _STREAMS:
            yield None
            return
        self._streams += 1
        stream = web.StreamResponse(headers={"Content-Type": kind, "X-Accel-Buffering": "no"})
        try:
            await stream.prepare(request)
            yield stream
        except (ConnectionError, TimeoutError):
            stream.force_close()
        finally:
            self._streams -= 1

    # ---- acting

    async def note(self, request: web.Request) -> web.Response:
        """Whisper to the agent."""
        text = " ".join((await self._door.form(request)).get("note", "").split())
        if not text or len(text) > _NOTE:
            return plain(400, f"a note has 1 to {_NOTE} characters")
        return await self._act(request, "note", lambda session: session.note(text), characters=len(text))

    async def transfer(self, request: web.Request) -> web.Response:
        number = (await self._door.form(request)).get("number", "").strip()
        if not re.fullmatch(NUMBER, number) and number not in self._own_numbers():
            return plain(400, "a number is written +33123456789, or as a SIP address")
        return await self._act(request, "transfer", lambda session: session.transfer(number), to=masked(number))

    def _own_numbers(self) -> set[str]:
        """Where agents transfer calls to; however it is written, it is meant."""
        return {agent.transfer_number for agent in self._house.config.agents if agent.transfer_number}

    async def hang_up(self, request: web.Request) -> web.Response:
        return await self._act(request, "hang_up", lambda session: session.hang_up())

    async def _act(self, request: web.Request, what: str, act, **told: str | int) -> web.Response:
        found = self._found(request)
        if found is None:
            return plain(404, "this call is over")
        session, live = found
        await self._audit.write(request[WHO], what, call=live.call_id, dump=live.dump, **told)
        act(session)
        if "text/html" in request.headers.get("Accept", ""):
            return web.Response(status=303, headers={"Location": f"/live/{session.name}"})
        return web.Response(status=204)


async def _send(stream: web.StreamResponse, data: bytes) -> None:
    """Raises TimeoutError or ConnectionError when the browser does not take it."""
    async with asyncio.timeout(_WRITE_S):
        await stream.write(data)


def _cut(fact: Fact) -> Fact:
    """With no more of its words than a page shows."""
    match fact:
        case Taken(turn=turn):
            shown = msgspec.structs.replace(turn, text=clip(turn.text), heard=clip(turn.heard))
            return msgspec.structs.replace(fact, turn=shown)
        case Caption():
            return msgspec.structs.replace(fact, committed=clip(fact.committed), tentative=clip(fact.tentative))
        case Saying():
            return msgspec.structs.replace(fact, text=clip(fact.text))
    return fact
