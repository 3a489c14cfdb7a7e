"""What can go wrong with a server, made to happen: for `tests.load.watched`."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import aiohttp

from pipelines.audio.g711 import encode
from pipelines.errors import AlloError
from pipelines.frames import TELEPHONE, Encoding
from server.caller.script import load_clip
from tests.load.fake_llm import FakeLlm
from tests.load.generator import Generator
from tests.load.raw_call import RawCall, Script, ring

TALKER, BLOCKER = "+15550100", "+15550101"
ROOM = 4
"""Calls that the server takes."""
_SPEECH = encode(load_clip("en_hours").pcm, Encoding.MULAW)
_HUM = 100 * encode(load_clip("en_hours").pcm[3_000:3_064], Encoding.MULAW)
"""A vowel held for 0.8 s: voice activity takes it for speech, and the recogniser finds no word in it."""


async def look_up() -> str:
    """Looks something up, and holds the whole server up meanwhile, as a tool should not."""
    time.sleep(0.4)  # noqa: ASYNC251 - that is the fault
    return "found"


class Callers:
    """Callers who ask the same thing again and again, over whatever the agent says."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self.url = ""
        self.http, self._generator = http, Generator()
        self.script = Script(_SPEECH + TELEPHONE.silence(32_000))
        hums = 6 * (_HUM + TELEPHONE.silence(19_000))  # far enough apart for a busy recogniser to judge each by itself
        self.humming = Script(_SPEECH + TELEPHONE.silence(20_000) + hums + TELEPHONE.silence(24_000), stamped=False)

    async def call(self, called: str = TALKER, script: Script | None = None) -> RawCall:
        call = await RawCall.dial(script or self.script, await ring(self.http, self.url, called))
        self._generator.add(call)
        return call

    def all(self) -> list[RawCall]:
        return list(self._generator.calls)

    def leave(self, calls: Iterable[RawCall], *, broken: bool = False) -> None:
        for call in calls:
            self._generator.remove(call)
            call.drop() if broken else call.hang_up()


class Faults:
    """What can go wrong, each with the alerts that must see it. Each is an async context: it lasts while that is open."""

    def __init__(self, callers: Callers, models: tuple[FakeLlm, FakeLlm], dumps: Path) -> None:
        self._callers, self._models, self._dumps = callers, models, dumps

    @asynccontextmanager
    async def _again(self, once: Callable[[], object]) -> AsyncIterator[None]:
        """Do something over and over in the background."""

        async def work() -> None:
            while True:
                with suppress(AlloError, ConnectionError, aiohttp.ClientError, TimeoutError):
                    await once()
                await asyncio.sleep(0.2)

        task = asyncio.create_task(work())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @asynccontextmanager
    async def slow(self) -> AsyncIterator[None]:
        """The language model takes two seconds: less than the caller waits before he asks again."""
        self._models[0].slow_s = 1.8
        yield
        self._models[0].slow_s = 0.0

    @asynccontextmanager
    async def fallback(self) -> AsyncIterator[None]:
        """The language model is out of order."""
        self._models[0].broken = True
        yield
        self._models[0].broken = False

    @asynccontextmanager
    async def failing(self) -> AsyncIterator[None]:
        """So is its fallback: the agent says that it is sorry and hangs up. Callers call again."""
        for model in self._models:
            model.broken = True

        async with self._again(self._to_its_end):
            yield
        for model in self._models:
            model.broken = False

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """More callers than there is room for."""
        calls = [await self._callers.call() for _ in range(ROOM - 1)]  # one is there all the time

        async def once() -> None:
            calls.append(await self._callers.call())

        async with self._again(once):
            yield
        self._callers.leave(calls)

    @asynccontextmanager
    async def lost(self) -> AsyncIterator[None]:
        """Lines that break."""

        async def once() -> None:
            call = await self._callers.call()
            try:
                await asyncio.sleep(0.3)
            finally:
                self._callers.leave([call], broken=True)

        async with self._again(once):
            yield

    @asynccontextmanager
    async def forged(self) -> AsyncIterator[None]:
        """Media streams with a wrong token."""

        async def once() -> None:
            rung = await ring(self._callers.http, self._callers.url, TALKER)
            wrong = type(rung)(rung.url, {**rung.parameters, "token": "wrong"}, rung.call_sid)
            await RawCall.dial(self._callers.script, wrong)

        async with self._again(once):
            yield

    @asynccontextmanager
    async def stalls(self) -> AsyncIterator[None]:
        """A tool that blocks the event loop."""
        async with self._again(lambda: self._to_its_end(BLOCKER)):
            yield

    @asynccontextmanager
    async def hums(self) -> AsyncIterator[None]:
        """The only caller's line hums over the agent with a voice and without a word."""
        self._callers.leave(self._callers.all())
        call = await self._callers.call(script=self._callers.humming)
        yield
        self._callers.leave([call])

    @asynccontextmanager
    async def holes(self) -> AsyncIterator[None]:
        """A network that loses half of the packets; lost ones are counted when a call ends."""

        async def once() -> None:
            call = await self._callers.call()
            call.send_text(b'{"event":')  # and breaks a message
            try:
                for _ in range(100):
                    call.sent += 1
                    await asyncio.sleep(0.02)
            finally:
                self._callers.leave([call])

        async with self._again(once):
            yield

    @asynccontextmanager
    async def disk(self) -> AsyncIterator[None]:
        """The folder of recordings becomes a file."""
        aside = self._dumps.with_name("aside")
        self._dumps.rename(aside)
        self._dumps.write_text("")
        async with self._again(self._short_call):
            yield
        self._dumps.unlink()
        aside.rename(self._dumps)

    async def _to_its_end(self, called: str = TALKER) -> None:
        """A call until the server ends it."""
        call = await self._callers.call(called)
        try:
            await asyncio.wait_for(asyncio.shield(call.closed), 20)
        finally:
            self._callers.leave([call])

    async def _short_call(self) -> None:
        call = await self._callers.call()
        try:
            await asyncio.sleep(1)
        finally:
            self._callers.leave([call])
