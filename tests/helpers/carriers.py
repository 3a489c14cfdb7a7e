"""A server of carriers' routes on loopback, with a house whose calls only note what they hear."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, web

from pipelines import events as ev
from pipelines.errors import WireError
from server.app import create_app
from server.auth import Tokens
from server.config import Config
from server.observe.live import Live
from server.observe.metrics import Metrics
from server.placed import Placed, PlacedCalls


class FakeHouse:
    """What routes see of `server.house.House`. A call echoes its media, keeps its events, and ends like a session."""

    def __init__(self, config: Config) -> None:
        self.config, self.metrics = config, Metrics()
        self.now = 0.0
        self.tokens = Tokens(lambda: self.now)
        self.placed = PlacedCalls(lambda: self.now)
        self.outbound: dict[str, Placed] = {}
        self.ready, self.full = True, False
        self.sessions: dict[object, Any] = {}
        self.archive, self.source, self.forgetful = None, None, []
        self.calls: dict[str, list[ev.Event]] = {}
        self.controls: dict[str, Any] = {}
        self.ended: dict[str, str] = {}
        self.on_event: Callable[[str, ev.Event], Any] = lambda call_id, event: None

    async def take_call(
        self,
        carrier: str,
        wire: Any,
        socket: Any,
        control: Any,
        started: ev.CallStarted,
        placed: Placed | None = None,
        *,
        agent_name: str = "",
        live: Live | None = None,
    ) -> str:
        call_id, reason = started.call_id, "lost"
        if placed is not None:
            self.outbound[call_id] = placed
        heard = self.calls[call_id] = [started]
        self.controls[call_id] = control
        try:
            async for message in socket:
                for event in wire.receive(message):
                    heard.append(event)
                    if isinstance(event, ev.MediaReceived):
                        for out in wire.media(event.payload):
                            socket.send(out)
                    if isinstance(event, ev.CallEnded):
                        reason = event.reason
                        return reason
        except WireError:
            reason = "refused"
        finally:
            self.ended[call_id] = reason
            self.metrics.call_ended(carrier, reason)
            await socket.close()
        return reason

    def refused(self, cause: str) -> float:
        return self._count("allo_refused_total", cause=cause)

    def ignored(self, carrier: str, cause: str) -> float:
        return self._count("allo_wire_ignored_total", carrier=carrier, cause=cause)

    def ended_so(self, carrier: str, reason: str) -> float:
        return self._count("allo_calls_total", carrier=carrier, reason=reason)

    def _count(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


class Served:
    """A running server: `http` asks it, `base` is its address, `house` what lies behind."""

    def __init__(self, house: FakeHouse, http: ClientSession, base: str) -> None:
        self.house, self.http, self.base = house, http, base

    @property
    def websocket_base(self) -> str:
        return "ws" + self.base.removeprefix("http")

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait for what the server is about to do."""
        async with asyncio.timeout(5):
            while not condition():  # noqa: ASYNC110 - what is waited for is spread over counters and dictionaries
                await asyncio.sleep(0.005)


@asynccontextmanager
async def serving(config: dict[str, Any] | None = None) -> AsyncIterator[Served]:
    """A server on a free port of loopback, with this configuration."""
    house = FakeHouse(Config.model_validate(config or {}))
    runner = web.AppRunner(create_app(house), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    async with ClientSession() as http:
        yield Served(house, http, f"http://127.0.0.1:{runner.addresses[0][1]}")
    await runner.cleanup()
