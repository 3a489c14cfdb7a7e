"""Running the server: load, listen, answer, drain."""

import asyncio
import signal
from pathlib import Path

import structlog
from aiohttp import web

from pipelines.errors import AlloError
from server.config import Config, load
from server.house import House
from server.observe import log as logs
from server.observe.metrics import Metrics
from server.observe.roll import call_the_roll

log = structlog.get_logger()


def run(
    path: Path | None,
    *,
    host: str | None,
    port: int | None,
    dumps: Path | None,
    log_level: str = "info",
    log_json: bool | None = None,
) -> None:
    """Blocks until SIGINT or SIGTERM. Raises AlloError when the server cannot start."""
    logs.configure(log_level, log_json)
    config = load(path)
    told = {name: value for name, value in (("host", host), ("port", port)) if value is not None}
    config = config.model_copy(update={"server": config.server.model_copy(update=told)})
    if dumps is not None:
        recording = config.recording.model_copy(update={"enabled": True, "dir": dumps})
        config = config.model_copy(update={"recording": recording})
    try:
        import uvloop
    except ImportError:  # not built for this platform; asyncio's own loop does the same, slower
        asyncio.run(_serve(config))
    else:
        uvloop.run(_serve(config))


async def _serve(config: Config) -> None:
    from server.app import create_app

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    house = House(config, Metrics())
    loop.add_signal_handler(signal.SIGUSR1, lambda: call_the_roll(house.sessions))
    runner = web.AppRunner(create_app(house), access_log=None, handle_signals=False, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, config.server.host, config.server.port, backlog=512)
    try:
        await site.start()
    except OSError as error:
        await runner.cleanup()
        raise AlloError(
            f"cannot listen on {config.server.host}:{config.server.port}: {error.strerror}. Choose another port with --port."
        ) from error
    port = site._server.sockets[0].getsockname()[1]
    log.info("listening", url=f"http://{config.server.host}:{port}")
    if not config.twilio.auth_token and not config.twilio.webhook_shared_keys:
        log.warning("unsigned", what="no Twilio token is configured: only callers on loopback are taken")
    opening = asyncio.create_task(house.open(lambda what: log.info("loading", what=what)))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({opening, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if opening.done():
            opening.result()
            log.info("ready")
            await stopped
    finally:
        log.info("stopping", calls=len(house.sessions))
        opening.cancel()
        stopped.cancel()
        await asyncio.gather(opening, stopped, return_exceptions=True)
        await house.close()
        await runner.cleanup()
