"""The operators' console beside calls: how long its pages take, and what it does to the calls' frames.

    python -m tests.load.console                  # 20 live calls, 1000 past ones, 45 s without the console and 45 s with it

The server (agents of `kind = "echo"`, recording every call) runs on one core, callers and operator on another. In the second half an
operator goes through pages with no pause but 0.2 s between two, while the list of live calls and three transcripts stream to other
windows of his and he listens in on one call. Past calls are 1000 folders of a call of 29 s, which share their sound and lines on disk.

Definitions
    scanned   from the server's start until the index knows all past calls (nothing was indexed before).
    page      from the request to the last byte of the answer, in milliseconds, by the operator's clock.
    lag       as in `tests.load.density`: by how much a frame's echo is later than the promptest of its call.
    lost      frames that had not come back one second after.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import msgspec
import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from pipelines.audio.g711 import encode
from pipelines.frames import Encoding
from pipelines.replay.dump import META, encode_meta, folder_name, read_meta
from server.caller.host import Host
from server.caller.script import load_clip
from tests.helpers.recorded import save
from tests.load.density import step
from tests.load.generator import Generator
from tests.load.process import resident_bytes
from tests.load.raw_call import Script

_TOKEN = "a-token-for-the-bench"
_PAUSE_S = 0.2
_WINDOWS = 3
_SCAN_LIMIT_S = 120.0
_CONFIG = """
[server]
max_calls = 500
drain_seconds = 0
console_token = "env:BENCH_CONSOLE_TOKEN"
console_audit = "audit.jsonl"

[recording]
enabled = true
dir = "calls"
max_age_days = 0

[[agents]]
name = "echo"
kind = "echo"
voice_activity = false
max_call_s = 3600
"""


def past(root: Path, count: int) -> list[str]:
    """Names of `count` recorded calls below `root`, ten minutes apart."""
    root.mkdir(mode=0o700)
    first = save(root)
    meta = read_meta(first)
    names = [first.name]
    for n in range(1, count):
        about = {
            "call_id": f"CA{n:032x}",
            "started": datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=10 * n),
            "agent": ("practice", "hotel", "shop")[n % 3],
            "caller": f"+336123{n:05d}",
        }
        other = msgspec.structs.replace(meta, **about)
        folder = root / folder_name(other)
        folder.mkdir(mode=0o700)
        for path in first.iterdir():
            if path.name != META:
                os.link(path, folder / path.name)
        (folder / META).write_bytes(encode_meta(other))
        names.append(folder.name)
    return names


class Operator:
    """Goes through the console; `took`: seconds of each page, by its name."""

    def __init__(self, http: aiohttp.ClientSession, calls: list[str]) -> None:
        self._http, self._calls = http, calls
        self.took: dict[str, list[float]] = {}

    async def get(self, what: str, path: str) -> bytes:
        began = time.perf_counter()
        async with self._http.get(path) as response:
            body = await response.read()
            response.raise_for_status()
        self.took.setdefault(what, []).append(time.perf_counter() - began)
        return body

    async def live(self) -> list[str]:
        """Addresses of the calls under way."""
        async with self._http.get("/live/events") as stream:
            async for line in stream.content:
                if line.startswith(b"data: "):
                    return [f"/live/{call['name']}" for call in json.loads(line[6:])]
        return []

    async def work(self, live: list[str]) -> None:
        """One page after another, until cancelled."""
        for n in range(1_000_000):
            name = self._calls[n * 37 % len(self._calls)]
            await self.get("list", "/")
            await asyncio.sleep(_PAUSE_S)
            await self.get("list, 10th page", "/?page=10")
            await asyncio.sleep(_PAUSE_S)
            await self.get("search by words", "/?words=convertible+name")
            await asyncio.sleep(_PAUSE_S)
            await self.get("search by agent, gap, date", "/?agent=hotel&gap=1&since=2026-11-03&until=2026-11-06")
            await asyncio.sleep(_PAUSE_S)
            await self.get("a call's page" if n else "a call's page, the first", f"/calls/{name}")
            await asyncio.sleep(_PAUSE_S)
            await self.get("its sound", f"/calls/{name}/call.wav")
            await asyncio.sleep(_PAUSE_S)
            await self.get("a live call's page", live[n % len(live)])
            await asyncio.sleep(_PAUSE_S)

    async def follow(self, path: str) -> None:
        """Take a stream as it comes, until cancelled."""
        async with self._http.get(path) as stream:
            async for _ in stream.content.iter_any():
                pass


@asynccontextmanager
async def working(operator: Operator, live: list[str]) -> AsyncIterator[None]:
    """The operator works, with some windows open."""
    windows = ["/live/events", f"{live[0]}/sound.wav", *(f"{path}/events" for path in live[:_WINDOWS])]
    tasks = [asyncio.create_task(operator.follow(path)) for path in windows]
    tasks.append(asyncio.create_task(operator.work(live)))
    try:
        yield
        failed = [task.exception() for task in tasks if task.done()]
        if failed:
            raise SystemExit(f"the console gave out: {failed}")
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def scanned(http: aiohttp.ClientSession, count: int) -> float:
    """Seconds until the list knows so many calls."""
    began = time.perf_counter()
    while time.perf_counter() - began < _SCAN_LIMIT_S:
        with suppress(aiohttp.ClientError):
            async with http.get("/") as response:
                if f"{count:,}</span>" in await response.text():
                    return time.perf_counter() - began
        await asyncio.sleep(0.1)
    raise SystemExit("the index never knew all calls")


async def run(options: argparse.Namespace, console: Console) -> dict[str, object]:
    """Both halves against a server of our own."""
    script = Script(encode(load_clip("en_book_tuesday").pcm, Encoding.MULAW))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "echo.toml").write_text(_CONFIG)
        calls = past(folder / "calls", options.past)
        arguments = ["--config", str(folder / "echo.toml"), "--port", "0"]
        log, environment = folder / "server.log", {"BENCH_CONSOLE_TOKEN": _TOKEN}
        async with Host(arguments, log=log, cpu=options.server_cpu, environment=environment) as host:
            url = await host.ready()
            headers = {"Authorization": f"Bearer {_TOKEN}"}
            timeout = aiohttp.ClientTimeout(total=None, sock_read=30)
            async with aiohttp.ClientSession(url, headers=headers, timeout=timeout) as http:
                seconds = await scanned(http, options.past)
                console.print(f"{options.past} calls indexed in {seconds:.1f} s")
                generator = Generator()
                try:
                    idle = resident_bytes(host.pid)
                    ask = (generator, script, url, host.pid, options.calls, options.seconds, idle)
                    without = await step(*ask)
                    operator = Operator(http, calls)
                    async with working(operator, await operator.live()):
                        used = await step(*ask)
                finally:
                    generator.stop()
                    for call in generator.calls:
                        call.hang_up()
                    await asyncio.wait([call.closed for call in generator.calls], timeout=5)
    return {"scanned_s": round(seconds, 2), "without": without, "used": used, "pages": _pages(operator.took)}


def _pages(took: dict[str, list[float]]) -> dict[str, dict[str, float]]:
    rows = {}
    for what, times in took.items():
        p50, p95 = np.percentile(times, (50, 95)) * 1e3
        rows[what] = {
            "n": len(times),
            "p50_ms": round(p50, 1),
            "p95_ms": round(p95, 1),
            "max_ms": round(max(times) * 1e3, 1),
        }
    return rows


def _show(result: dict, options: argparse.Namespace) -> None:
    out = Console(width=160)
    pages = Table(
        "page", "n", "p50 ms", "p95 ms", "max ms", title=f"{options.calls} live calls, {options.past} past ones"
    )
    for what, row in result["pages"].items():
        pages.add_row(what, *(str(value) for value in row.values()))
    out.print(pages)
    names = ("lag_p50_ms", "lag_p95_ms", "lag_p99_ms", "lag_max_ms", "lost", "own_p95_ms", "core")
    lags = Table("frames", *(name.replace("_", " ") for name in names))
    for title, row in (("console closed", result["without"]), ("console in use", result["used"])):
        lags.add_row(title, *(str(row[name]) for name in names))
    out.print(lags)
    out.print(f"scanned in {result['scanned_s']} s")


def main() -> int:
    """Exit status 1 when frames were lost, their lag's 95th percentile is above 20 ms with the console in use, or a list took over 200 ms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--past", type=int, default=1_000)
    parser.add_argument("--seconds", type=float, default=45.0)
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--own-cpu", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.own_cpu})
    result = uvloop.run(run(options, Console(stderr=True)))
    if options.json:
        print(json.dumps(result, indent=2))
    else:
        _show(result, options)
    lists = [row["p95_ms"] for what, row in result["pages"].items() if "call" not in what and "sound" not in what]
    return int(not result["used"]["holds"] or max(lists) > 200)


if __name__ == "__main__":
    sys.exit(main())
