"""Calls that are over, for operators: the list, one call, its sound, its recording, replays of it, and forgetting it."""

import asyncio
import time
from collections import OrderedDict
from pathlib import Path
from urllib.parse import urlencode

import msgspec
from aiohttp import web

from pipelines.errors import DumpError, ModelError
from server.config import Config
from server.console.archive import Archive, ArchiveError
from server.console.audit import Audit
from server.console.download import tarred
from server.console.entries import folder_of
from server.console.gate import WHO, Gate
from server.console.live import LiveRoutes
from server.console.numbers import Numbers
from server.console.pages import masked
from server.console.replays import Replay, ReplayError, Replays, asked
from server.console.responses import about, html, listed, message, plain, ranged
from server.console.search import PAGE, Search
from server.console.sounds import Sounds
from server.console.workshop import Job, Workshop, WorkshopError
from server.house import House
from server.routes.door import Door

_HEARD_S, _HEARD = 300.0, 1_000  # one line of the audit log for so long a listening, of so many calls


class PastRoutes:
    def __init__(self, house: House, door: Door, gate: Gate, audit: Audit, live: LiveRoutes) -> None:
        self._house, self._door, self._gate, self._audit, self._live = house, door, gate, audit, live
        self._keys = house.config.recording.keys
        self._workshop = Workshop(self._keys)
        self._sounds = Sounds(self._workshop)
        self._numbers = Numbers()
        self._recognisers = _recognisers(house.config)  # now: reading the manifests takes 5 ms
        self._replays = Replays(self._keys)
        self._heard: OrderedDict[tuple[str, str], float] = OrderedDict()
        house.forgetful += [self._sounds.forget, self._replays.forget]

    def routes(self) -> list[web.RouteDef]:
        guard = self._gate.guard
        return [
            web.get("/", guard(self.calls)),
            web.post("/search", guard(self.search)),
            web.get("/calls/{name}", guard(self.call)),
            web.get("/calls/{name}/call.wav", guard(self.sound)),
            web.get("/calls/{name}/call.json", guard(self.json)),
            web.get("/calls/{name}/dump.tar", guard(self.dump)),
            web.post("/calls/{name}/forget", guard(self.forget)),
            web.post("/calls/{name}/replay", guard(self.replay)),
            web.get("/replays/{id}", guard(self.replayed)),
            web.post("/replays/{id}/stop", guard(self.stop_replay)),
            web.get("/forget", guard(self.forget_form)),
            web.post("/forget", guard(self.forget_number)),
        ]

    async def close(self) -> None:
        await self._replays.close()
        await self._workshop.close()
        self._sounds.close()

    # ---- the list

    async def calls(self, request: web.Request) -> web.Response:
        """Calls under way, and a page of those that are over."""
        search = Search.read(request.query)
        told = {
            "here": "calls",
            "calls_now": len(self._house.sessions),
            "live": self._live.rows(PAGE),
            "search": search,
            "stale": bool(search.number) and not self._numbers.made(search.number),
            "per_page": PAGE,
        }
        archive, listing, choices, unavailable = self._house.archive, None, None, ""
        if archive is None:
            unavailable = "No calls are recorded. Set recording.enabled and recording.dir."
        else:
            try:
                listing, choices = await archive.ask(
                    lambda index: (index.search(search, self._numbers.handle), index.choices())
                )
            except ArchiveError as error:
                unavailable = str(error)
        indexing = archive is not None and not archive.scanned.is_set()
        unopened = len(archive.unopened) if archive is not None else 0
        return await listed(
            request,
            "calls.html.j2",
            **told,
            listing=listing,
            choices=choices,
            unavailable=unavailable,
            indexing=indexing,
            unopened=unopened,
        )

    async def search(self, request: web.Request) -> web.Response:
        """The address of what is looked for. A number is sent here, so that it does not stand in one."""
        form = await self._door.form(request)
        fields = {**form}
        if number := form.get("whose", "").strip()[:200]:
            fields["number"] = self._numbers.handle(number)
            await self._audit.write(request[WHO], "look_for_number", number=masked(number))
        query = Search.read(fields).query(page=1)
        return web.Response(status=303, headers={"Location": f"/?{urlencode(query)}" if query else "/"})

    # ---- one call

    def _folder(self, request: web.Request) -> Path | None:
        """Of the call that is asked for, if it is over."""
        archive, name = self._house.archive, request.match_info["name"]
        if archive is None or name in self._under_way():
            return None
        return folder_of(archive.root, name)

    def _under_way(self) -> set[str]:
        closing = self._house.archive.closing if self._house.archive is not None else set()
        return {*closing, *(live.dump for live in self._house.sessions.values())}

    def _missing(self, request: web.Request) -> web.Response:
        if request.match_info["name"] in self._under_way():
            return message(request, 409, "This call is under way", "It can be seen here once it is over.")
        return message(request, 404, "There is no such call", "It may have been removed, by its age or on request.")

    async def call(self, request: web.Request) -> web.Response:
        folder = self._folder(request)
        if folder is None:
            return self._missing(request)
        told = {**about(request), "recognisers": self._recognisers}
        return await self._drawn(request, Job("page", str(folder), told=told))

    async def _drawn(self, request: web.Request, job: Job) -> web.Response:
        try:
            body = await self._workshop.ask(job)
        except WorkshopError as error:
            return message(request, 503, "This call cannot be shown", str(error))
        return web.Response(body=body, content_type="text/html", charset="utf-8")

    async def sound(self, request: web.Request) -> web.StreamResponse:
        folder = self._folder(request)
        if folder is None:
            return self._missing(request)
        await self._note_listening(request, folder.name)
        try:
            path = await self._sounds.of(folder)
        except WorkshopError as error:
            return plain(503, str(error))
        if not self._keys:
            return web.FileResponse(path, headers={"Content-Type": "audio/wav"})
        try:
            sound = await asyncio.to_thread(self._keys.read_file, path)
        except (OSError, DumpError):  # it was forgotten meanwhile
            return self._missing(request)
        return await ranged(request, sound, "audio/wav")

    async def _note_listening(self, request: web.Request, name: str) -> None:
        """A player asks for a file in pieces: that is one listening."""
        key, now = (request[WHO], name), time.monotonic()
        if self._heard.get(key, -_HEARD_S) + _HEARD_S > now:
            return
        await self._audit.write(request[WHO], "listen", dump=name)
        self._heard[key] = now
        while len(self._heard) > _HEARD:
            self._heard.popitem(last=False)

    async def json(self, request: web.Request) -> web.Response:
        folder = self._folder(request)
        if folder is None:
            return self._missing(request)
        await self._audit.write(request[WHO], "download_json", dump=folder.name)
        try:
            body = await self._workshop.ask(Job("json", str(folder)))
        except WorkshopError as error:
            return plain(503, str(error))
        return web.Response(body=body, content_type="application/json", headers=_attached(f"{folder.name}.json"))

    async def dump(self, request: web.Request) -> web.StreamResponse:
        """The call's folder, as it is."""
        folder = self._folder(request)
        if folder is None:
            return self._missing(request)
        await self._audit.write(request[WHO], "download", dump=folder.name)
        headers = {"Content-Type": "application/x-tar", **_attached(f"{folder.name}.tar")}
        stream = web.StreamResponse(headers=headers)
        await stream.prepare(request)
        async for piece in tarred(folder):
            await stream.write(piece)
        return stream

    # ---- replays

    async def replay(self, request: web.Request) -> web.Response:
        """Begin one, and go where it is to be seen."""
        folder = self._folder(request)
        if folder is None:
            return self._missing(request)
        form = await self._door.form(request)
        wanted, changed = asked(form, self._recognisers)
        if wanted is None:
            return message(request, 400, "It cannot be replayed so", changed)
        source = self._house.source
        wanted = msgspec.structs.replace(wanted, source=str(source) if source else "")
        try:
            replay = self._replays.begin(folder, wanted, changed)
        except ReplayError as error:
            return message(request, 503, "Not now", str(error))
        await self._audit.write(request[WHO], "replay", dump=folder.name, changed=changed)
        return web.Response(status=303, headers={"Location": f"/replays/{replay.id}"})

    async def replayed(self, request: web.Request) -> web.Response:
        replay = self._replays.get(request.match_info["id"])
        if replay is None:
            return message(request, 404, "There is no such replay", "Only the latest are kept.")
        if replay.state != "done":
            return html(
                request,
                "replaying.html.j2",
                id=replay.id,
                name=replay.name,
                changed=replay.changed,
                state=replay.state,
                doing=replay.doing,
                reason=replay.reason,
            )
        return await self._drawn(request, _versus(request, replay))

    async def stop_replay(self, request: web.Request) -> web.Response:
        self._replays.stop(request.match_info["id"])
        return web.Response(status=303, headers={"Location": f"/replays/{request.match_info['id']}"})

    # ---- forgetting

    async def forget(self, request: web.Request) -> web.Response:
        """Remove one call."""
        folder = self._folder(request)
        if folder is None:
            return self._missing(request)
        return await self._removed(request, self._house.archive, [folder.name]) or web.Response(
            status=303, headers={"Location": "/"}
        )

    async def forget_form(self, request: web.Request) -> web.Response:
        return html(request, "forget.html.j2", here="forget", found=None, forgotten=None)

    async def forget_number(self, request: web.Request) -> web.Response:
        """How many calls there are of a number; and, for who is sure, remove them."""
        archive = self._house.archive
        if archive is None:
            return message(request, 404, "No calls are recorded", "There is nothing to remove.")
        form = await self._door.form(request)
        number = form.get("number", "").strip()[:200]
        try:
            names = [name for name in await archive.of_number(number) if name not in self._under_way()]
        except ArchiveError as error:
            return message(request, 503, "It cannot be looked for", str(error))
        if form.get("sure") != "yes":
            told = {"found": len(names), "number": number, "forgotten": None}
            return html(request, "forget.html.j2", here="forget", **told)
        refused = await self._removed(request, archive, names, number=masked(number), calls=len(names))
        return refused or html(request, "forget.html.j2", here="forget", found=None, forgotten=len(names))

    async def _removed(
        self, request: web.Request, archive: Archive, names: list[str], **told: str | int
    ) -> web.Response | None:
        """Remove calls and what was made of them; the answer where that fails."""
        await self._audit.write(request[WHO], "forget", dump=names[0] if not told and names else "", **told)
        try:
            await archive.forget(names)
        except ArchiveError as error:
            return message(request, 503, "Not all is removed", str(error))
        return None


def _recognisers(config: Config) -> list[str]:
    """Those that a call can be replayed with."""
    try:
        return [card.name for card in config.registry() if card.port == "stt"]
    except ModelError:
        return []


def _versus(request: web.Request, replay: Replay) -> Job:
    before, after = replay.runs
    guessed = ", ".join(f"{count} {kind}" for kind, count in replay.guessed.items() if count)
    told = {
        **about(request),
        "changed": replay.changed,
        "guessed": guessed,
        "name": replay.name,
    }
    return Job("versus", str(before), str(after), told=told)


def _attached(name: str) -> dict[str, str]:
    """`name`: of a call's folder, which is safe in a header."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}
