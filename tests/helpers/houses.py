"""A real server on loopback: house, sessions and doors, with whatever models the test put in place."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import ClientSession, web

from server.app import create_app
from server.config import Config
from server.house import House
from server.observe.metrics import Metrics


@asynccontextmanager
async def open_house(config: dict[str, Any]) -> AsyncIterator[tuple[House, ClientSession]]:
    """The house, and who asks it over HTTP."""
    config = {**config, "server": {"drain_seconds": 0.0, **config.get("server", {})}}
    house = House(Config.model_validate(config), Metrics())
    await house.open()
    runner = web.AppRunner(create_app(house), shutdown_timeout=0.1)
    try:
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with ClientSession(f"http://127.0.0.1:{runner.addresses[0][1]}") as http:
            yield house, http
    finally:
        await house.close()
        await runner.cleanup()
        gc.unfreeze()  # what the house froze
