"""How many calls one server core holds, models off: N real-time duplex Twilio calls that hear themselves.

    python -m tests.load.density                  # 50 to 300 calls, 30 s each
    python -m tests.load.density --vad            # with Silero on every window
    python -m tests.load.density --steps 250 --seconds 60 --json

The server (an agent of `kind = "echo"`) runs on one core, this generator on another. Every call sends a frame of 20 ms
each 20 ms, on an absolute schedule; calls are spread evenly over the 20 ms. Every frame carries its number and comes
back.

Definitions
    trip    from the moment at which a frame was due to be sent until its echo arrives here.
    lag     by how much the trip is longer than the shortest trip of the same call in the same step: what the frame was
    late
            against its own call's schedule. A constant delay (a buffer's) is in the trip, not in the lag. The
            generator's own lateness is inside both; it is printed too ("own"), so that a busy generator cannot pass for
            a slow server.
    lost    frames that had not come back one second after the step, or came back garbled.
    holds   95th percentile of all lags <= 20 ms, nothing lost.
    CPU     user + system seconds of the server process in the step, by calls and minutes.
    memory  resident bytes of the server at the end of the step above those before the first call, by calls.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import aiohttp
import numpy as np
import uvloop
from rich.console import Console
from rich.table import Table

from pipelines.audio.g711 import encode
from pipelines.frames import Encoding
from server.caller.host import Host
from server.caller.script import load_clip
from tests.load.generator import Generator
from tests.load.process import cpu_seconds, resident_bytes
from tests.load.raw_call import RawCall, Script, ring

_DIALS_A_SECOND = 25
_GRACE_S = 1.0
_LAG_LIMIT_S = 0.020

_CONFIG = """
[server]
max_calls = 5000
drain_seconds = 0

[[agents]]
name = "echo"
kind = "echo"
voice_activity = {analyze}
max_call_s = 3600
"""


async def step(generator: Generator, script: Script, url: str, pid: int, calls: int, seconds: float, idle: int) -> dict:
    """Bring the number of calls up to `calls` and measure for `seconds`."""
    async with aiohttp.ClientSession() as http:
        for _ in range(calls - len(generator.calls)):
            generator.add(await RawCall.dial(script, await ring(http, url)))
            await asyncio.sleep(1 / _DIALS_A_SECOND)
    await asyncio.sleep(2.0)  # what dialling cost is over
    for call in generator.calls:
        del call.trips[:]
    generator.own.clear()
    due = sum(call.sent for call in generator.calls)
    away = {id(call): call.sent - call.returned for call in generator.calls}  # on their way, or lost before
    before, began = cpu_seconds(pid), time.monotonic()
    await asyncio.sleep(seconds)
    took, cpu = time.monotonic() - began, cpu_seconds(pid) - before
    sent = sum(call.sent for call in generator.calls)
    own = np.array(generator.own)
    trips = [np.array(call.trips) for call in generator.calls]
    wanted = {id(call): call.sent for call in generator.calls}
    await asyncio.sleep(_GRACE_S)
    lost = sum(max(wanted[id(call)] - call.returned - away[id(call)], 0) for call in generator.calls)
    lags = np.concatenate([trip - trip.min() for trip in trips if len(trip)])
    every = np.concatenate(trips)
    p50, p95, p99 = (float(lag) for lag in np.percentile(lags, (50, 95, 99)))
    return {
        "calls": calls,
        "frames": sent - due,
        "lag_p50_ms": round(p50 * 1e3, 2),
        "lag_p95_ms": round(p95 * 1e3, 2),
        "lag_p99_ms": round(p99 * 1e3, 2),
        "lag_max_ms": round(float(lags.max()) * 1e3, 1),
        "trip_p50_ms": round(float(np.median(every)) * 1e3, 2),
        "lost": lost + sum(call.closed.done() for call in generator.calls),
        "own_p95_ms": round(float(np.percentile(own, 95)) * 1e3, 2),
        "cpu_s_per_call_minute": round(cpu / calls / (took / 60), 4),
        "core": round(cpu / took, 3),
        "kib_per_call": round((resident_bytes(pid) - idle) / calls / 1024),
        "holds": bool(p95 <= _LAG_LIMIT_S and not lost),
    }


async def run(options: argparse.Namespace, console: Console) -> list[dict]:
    """All steps against a server of our own, or the one given."""
    script = Script(encode(load_clip("en_book_tuesday").pcm, Encoding.MULAW))
    if options.url:
        return await _steps(options, console, script, options.url.rstrip("/"), options.pid)
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "echo.toml"
        config.write_text(_CONFIG.format(analyze=str(options.vad).lower()))
        log = Path(folder) / "server.log"
        async with Host(["--config", str(config), "--port", "0"], log=log, cpu=options.server_cpu) as host:
            return await _steps(options, console, script, await host.ready(), host.pid)


async def _steps(options: argparse.Namespace, console: Console, script: Script, url: str, pid: int) -> list[dict]:
    await asyncio.sleep(1.0)
    idle = resident_bytes(pid)
    generator = Generator()
    rows = []
    try:
        for calls in options.steps:
            try:
                rows.append(await step(generator, script, url, pid, calls, options.seconds, idle))
            except (TimeoutError, OSError, aiohttp.ClientError) as error:
                console.print(f"{calls} calls: a call was not taken: {type(error).__name__}")
                break
            console.print(f"{calls} calls: 95th percentile of lag {rows[-1]['lag_p95_ms']} ms, lost {rows[-1]['lost']}")
    finally:
        generator.stop()
        for call in generator.calls:
            call.hang_up()
        await asyncio.wait([call.closed for call in generator.calls], timeout=5)
    return rows


def table(rows: list[dict], title: str) -> Table:
    """The steps, for people."""
    result = Table(title=title, title_justify="left")
    for name in rows[0]:
        result.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        result.add_row(*(str(value) for value in row.values()), style=None if row["holds"] else "red")
    return result


def main() -> int:
    """Exit status 1 when `--hold` calls were not held."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, nargs="+", default=[50, 100, 150, 200, 250, 300])
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--vad", action="store_true", help="run voice activity on every call")
    parser.add_argument("--hold", type=int, default=0, help="fail unless so many calls are held")
    parser.add_argument("--url", help="a server that runs already; give its --pid too")
    parser.add_argument("--pid", type=int)
    parser.add_argument("--server-cpu", type=int, default=0)
    parser.add_argument("--own-cpu", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.sched_setaffinity(0, {options.own_cpu})
    console = Console(stderr=True)
    rows = uvloop.run(run(options, console))
    if not rows:
        return 1
    if options.json:
        print(json.dumps(rows, indent=2))
    else:
        models = "Silero on" if options.vad else "models off"
        Console(width=180).print(table(rows, f"one server core, {models}, {options.seconds:g} s a step"))
    held = max((row["calls"] for row in rows if row["holds"]), default=0)
    return int(held < options.hold)


if __name__ == "__main__":
    sys.exit(main())
