"""Does what watches the server see what goes wrong? A real Prometheus scrapes a real server while faults are injected.

    python -m tests.load.watched --prometheus /usr/bin/prometheus          # about eight minutes; needs the models

Each alert of deploy/prometheus/alerts.yml must fire during its fault and clear after it, and each query of the dashboard
deploy/grafana/allo.json must have returned data. The rules are the shipped ones with all their times divided by 20, so that a
quarter of an hour is 45 s; `promtool test rules deploy/prometheus/alerts.test.yml` checks the true times.
"""

import argparse
import asyncio
import json
import os
import re
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from server.caller.host import Host
from tests.load.fake_llm import FakeLlm
from tests.load.faults import BLOCKER, ROOM, TALKER, Callers, Faults

DEPLOY = Path(__file__).parents[2] / "deploy"
SPEED = 20
_PATIENCE_S = 75.0

_CONFIG = """
[server]
max_calls = {room}
drain_seconds = 25

[models.llm]
kind = "openai"
base_url = "{first}/v1"
model = "fake"

[models.llm_fallback]
kind = "openai"
base_url = "{second}/v1"
model = "fake"

[models.stt]
model = "whisper-tiny.en"

[[agents]]
name = "talker"
numbers = ["{talker}"]
languages = ["en"]
openers = {{ en = [] }}
sentiment = true
emotion = {{ anger = "Stay calm." }}

[[agents]]
name = "blocker"
numbers = ["{blocker}"]
languages = ["en"]
tools = ["tests.load.faults:look_up"]
"""


def hurried(rules: str) -> str:
    """The rules with every time, [5m] or for: 2m, divided by `SPEED`."""

    def shorter(match: re.Match[str]) -> str:
        seconds = int(match[2]) * {"s": 1, "m": 60}[match[3]]
        return f"{match[1]}{max(1, seconds // SPEED)}s"

    return re.sub(r"(\[|for: )(\d+)([sm])", shorter, rules)


def queries(dashboard: dict) -> dict[str, str]:
    """The dashboard's queries by panel and legend, for all servers; a panel that shows 0 for nothing must show more than that."""
    found = {}
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            query = target["expr"].replace("$instance", ".*").replace("$__rate_interval", "15s")
            found[f"{panel['title']}: {target['legendFormat']}"] = query.removesuffix(" or vector(0)")
    return found


class Prometheus:
    """The real one, on a free port, scraping `target` every second."""

    def __init__(self, program: str, folder: Path, target: str) -> None:
        self._program, self._folder, self._target = program, folder, target
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._url = f"http://127.0.0.1:{free.getsockname()[1]}"

    async def __aenter__(self) -> "Prometheus":
        shipped = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
        settings = shipped.replace("127.0.0.1:8080", self._target).replace(": 10s", ": 1s")
        (self._folder / "prometheus.yml").write_text(settings)
        (self._folder / "alerts.yml").write_text(hurried((DEPLOY / "prometheus" / "alerts.yml").read_text()))
        self._log = (self._folder / "prometheus.log").open("wb")
        listen = self._url.removeprefix("http://")
        self._process = await asyncio.create_subprocess_exec(
            self._program,
            f"--config.file={self._folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={self._folder / 'tsdb'}",
            f"--web.listen-address={listen}",
            stdout=self._log,
            stderr=self._log,
        )
        self._http = aiohttp.ClientSession(self._url)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()
        self._process.terminate()
        await self._process.wait()
        self._log.close()

    async def _ask(self, path: str, **query: str) -> dict:
        try:
            async with self._http.get(path, params=query) as response:
                return (await response.json()).get("data") or {}
        except aiohttp.ClientError:  # it starts
            return {}

    async def firing(self) -> set[str]:
        """Names of the alerts that fire now."""
        alerts = (await self._ask("/api/v1/alerts")).get("alerts", [])
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}

    async def has_data(self, query: str) -> bool:
        """Whether a query returns a number now."""
        result = (await self._ask("/api/v1/query", query=query)).get("result", [])
        return any(one["value"][1] != "NaN" for one in result)


async def watch(options: argparse.Namespace, console: Console) -> list[str]:
    """All faults, one after the other; what the alerts or the dashboard missed."""
    failures: list[str] = []
    table = Table("alert", "fires after, s", "clears after, s")
    first, second = FakeLlm(), FakeLlm()
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        urls = [await stack.enter_async_context(llm.serve()) for llm in (first, second)]
        config = _CONFIG.format(first=urls[0], second=urls[1], room=ROOM, talker=TALKER, blocker=BLOCKER)
        (folder / "allo.toml").write_text(config)
        dumps = folder / "dumps"
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        serve = ["--config", str(folder / "allo.toml"), "--port", str(port), "--dumps", str(dumps)]
        http = await stack.enter_async_context(aiohttp.ClientSession())
        host = await stack.enter_async_context(Host(serve, log=folder / "server.log"))
        prometheus = await stack.enter_async_context(Prometheus(options.prometheus, folder, f"127.0.0.1:{port}"))
        callers = Callers(http)
        callers.url = await host.ready()
        wanted = queries(json.loads((DEPLOY / "grafana" / "allo.json").read_text()))
        seen: set[str] = set()

        async def until(reached: Callable[[set[str]], bool]) -> float | None:
            began = time.monotonic()
            while time.monotonic() - began < _PATIENCE_S:
                firing = await prometheus.firing()
                seen.update(
                    [name for name, query in wanted.items() if name not in seen and await prometheus.has_data(query)]
                )
                if reached(firing):
                    return time.monotonic() - began
                await asyncio.sleep(0.5)
            return None

        def report(alerts: set[str], fired: float | None, cleared: float | None) -> None:
            text = ["never" if time is None else f"{time:.0f}" for time in (fired, cleared)]
            table.add_row(", ".join(sorted(alerts)), *text)
            console.print(f"{', '.join(sorted(alerts))}: fires after {text[0]} s, clears after {text[1]} s")
            if fired is None or cleared is None:
                failures.append(f"{', '.join(sorted(alerts))}: fired {text[0]}, cleared {text[1]}")

        faults = Faults(callers, (first, second), dumps)
        steps = {
            faults.slow: {"AlloSlowToAnswer"},
            faults.fallback: {"AlloModelFails", "AlloOnFallback"},
            faults.failing: {"AlloCallsFail"},
            faults.full: {"AlloFull", "AlloNearlyFull"},
            faults.lost: {"AlloCallsLost"},
            faults.forged: {"AlloForgedRequests"},
            faults.stalls: {"AlloLoopStalls"},
            faults.holes: {"AlloFramesLost"},
            faults.hums: {"AlloFalseInterruptions"},
            faults.disk: {"AlloRecordingsLost"},
        }
        healthy = await callers.call()
        await until(lambda firing: not firing)
        for fault, alerts in steps.items():
            if healthy.closed.done():  # a fault hung up on him
                healthy = await callers.call()
            async with fault():
                fired = await until(alerts.issubset)
            report(alerts, fired, await until(alerts.isdisjoint))
        if healthy.closed.done():
            healthy = await callers.call()
        os.kill(host.pid, signal.SIGTERM)  # it lets its call go on, and takes no other
        fired = await until({"AlloNotReady"}.issubset)
        gone = await until({"AlloDown"}.issubset)
        async with Host(serve, log=folder / "again.log") as again:
            await again.ready()
            back = await until({"AlloNotReady", "AlloDown"}.isdisjoint)
        report({"AlloNotReady"}, fired, back)
        report({"AlloDown"}, gone, back)
    unwatched = set(re.findall(r"alert: (\w+)", (DEPLOY / "prometheus" / "alerts.yml").read_text()))
    unwatched -= {"AlloNotReady", "AlloDown"}.union(*steps.values())
    failures += [f"{alert}: no fault makes it fire" for alert in sorted(unwatched)]
    failures += [f"dashboard, {name}: never any data" for name in wanted if name not in seen]
    console.print(table)
    console.print(f"{len(seen)} of {len(wanted)} queries of the dashboard have data")
    return failures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prometheus", required=True, metavar="PROGRAM", help="where prometheus is")
    console = Console()
    failures = asyncio.run(watch(parser.parse_args(), console))
    for failure in failures:
        console.print(f"[red]✗[/] {failure}")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
