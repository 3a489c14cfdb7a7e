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
        asyncio.run(_serve(config, path))
    else:
        uvloop.run(_serve(config, path))


async def _serve(config: Config, source: Path | None) -> None:
    from server.app import create_app
    from server.console.app import create_console

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, stop.set)
    server = config.server
    house = House(config, Metrics(), source)
    loop.add_signal_handler(signal.SIGUSR1, lambda: call_the_roll(house.sessions))
    runners: list[web.AppRunner] = []
    await _listen(runners, create_app(house), server.host, server.port, "Choose another port with --port.")
    if server.console_port is not None:
        mend = "Choose another server.console_port."
        await _listen(runners, create_console(house), server.console_host, server.console_port, mend, what="console")
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
        for runner in runners:
            await runner.cleanup()


async def _listen(
    runners: list[web.AppRunner], app: web.Application, host: str, port: int, mend: str, what: str = "listening"
) -> None:
    """Raises AlloError when that cannot be: whatever listens already is closed then."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1)
    runners.append(runner)
    await runner.setup()
    site = web.TCPSite(runner, host, port, backlog=512)
    try:
        await site.start()
    except OSError as error:
        for one in runners:
            await one.cleanup()
        raise AlloError(f"cannot listen on {host}:{port}: {error.strerror}. {mend}") from error
    log.info(what, url=f"http://{host}:{site._server.sockets[0].getsockname()[1]}")
