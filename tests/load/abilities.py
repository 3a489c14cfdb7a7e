"""What each ability costs a call, and up to how many calls with all of them frames are on time: real calls on a real server.

    python -m tests.load.abilities                                   # 20 calls, ability by ability; then 5 to 40 with all, 8 minutes at most
    python -m tests.load.abilities --calls 3 --seconds 4 --steps 3   # whether it works
    python -m tests.load.abilities --denoise dtln --json

On: the server with its sockets, codecs, playout and turn-taking; noise reduction, voice activity, end of turn, who speaks, emotion, sentiment,
each with its real model. Not on, since twenty of them do not fit two cores: recogniser, voice and language model, which answer from a script
(`tests/load/scripted_server.py`, `fake_llm.py`). Callers say a sentence, and after 4.5 s another: an agent answers each. Beside the calls there
are two line tests, whose every frame comes back.

Rows        `line`: so many line tests; `hears`: with voice activity; `call`: calls, with nothing but that; then calls with one ability more;
            `all`: with all; and with all for each number of `--steps`.
CPU         user and system seconds of the server process, a minute of a call; `costs`: the same against the row that has one less.
lag         by how much a frame was late: of the line tests against the shortest trip of the same test (there and back, as in `density`),
            of the agents' speech against its own schedule: median, 95th percentile and most, in ms, both together. At the 95th percentile
            it should be 20 ms at most (`holds`).
own         95th percentile of this generator's own lateness, which is inside both.
asked       how often each worker ran, a minute of a call; `dropped`: windows and questions that were dropped, replaced or given up, by worker.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import numpy as np
import uvloop
from rich.console import Console

from pipelines.audio.g711 import encode
from pipelines.frames import TELEPHONE, Encoding
from server.caller.host import Host
from server.caller.script import load_clip
from tests.load.ability_counts import Step, costs, held, row, table
from tests.load.fake_llm import FakeLlm
from tests.load.generator import Generator
from tests.load.process import cpu_seconds, gauges
from tests.load.raw_call import PTIME_S, RawCall, Ring, Script, ring

_LINE, _TALKER = "+15550100", "+15550101"
_PROBES = 2
_SETTLE_S = 6.0  # greetings are over by then, and what dialling cost
_DIALS_A_SECOND = 10
_PAUSE_S = 4.5
_CLIPS = ("en_book_tuesday", "en_hours", "en_insurance", "en_where")
_ANSWER = "We are open from eight until six."

ABILITIES = ("denoise", "turn", "speaker", "emotion", "sentiment")


def config(llm: str, on: set[str], models: dict[str, str], analyze: bool) -> str:
    """A server whose agent has the abilities `on`; line tests are analyzed or not. `models`: of denoise and turn."""
    named = {port: models[port] if port in on else "none" for port in ("denoise", "turn")}
    talker = {
        "sentiment": str("sentiment" in on).lower(),
        "follow_caller": str("speaker" in on).lower(),
        "emotion": '{ anger = "The caller sounds angry." }' if "emotion" in on else "{}",
    }
    return f"""
[server]
max_calls = 1000
drain_seconds = 0
[models.denoise]
model = "{named["denoise"]}"
[models.turn]
model = "{named["turn"]}"
[models.llm]
kind = "openai"
base_url = "{llm}/v1"
model = "fake"
[[agents]]
name = "line"
kind = "echo"
voice_activity = {str(analyze).lower()}
numbers = ["{_LINE}"]
max_call_s = 3600
[[agents]]
name = "talker"
numbers = ["{_TALKER}"]
languages = ["en"]
max_call_s = 3600
{os.linesep.join(f"{key} = {value}" for key, value in talker.items())}
"""


def talk(number: int) -> Script:
    """A caller who says a sentence, is silent, and says it again. `number`: of the call; it chooses the sentence and where it begins."""
    said = encode(load_clip(_CLIPS[number % len(_CLIPS)]).pcm, Encoding.MULAW)
    audio = said + TELEPHONE.silence(1) * round(_PAUSE_S * 8_000)
    first = number * 7_919 % len(audio)
    return Script(audio[first:] + audio[:first], stamped=False)


class TalkingCall(RawCall):
    """A call whose agent's frames are timed. `late`: seconds by which each left after its time."""

    def __init__(self, script: Script, ring: Ring) -> None:
        super().__init__(script, ring)
        self.late = array("d")
        self._pace = Pace()

    def _text(self, data: bytes, start: int, end: int, now: float) -> None:
        if data.find(b'"media"', start, end) >= 0:
            self.late.append(self._pace.frame(now))
        elif data.find(b'"clear"', start, end) >= 0:
            self._pace = Pace()
        else:
            super()._text(data, start, end, now)


class Pace:
    """The schedule of a run of frames: the first leave together, as far ahead as the server dares; each later one 20 ms after the one before. What
    comes when the ear has run dry begins a new run."""

    def __init__(self) -> None:
        self._began, self._frames, self._ahead = 0.0, 0, 0.0

    def frame(self, now: float) -> float:
        """Seconds by which the frame that came at `now` was late."""
        if not self._frames or now > self._began + self._frames * PTIME_S:
            self._began, self._frames, self._ahead = now, 1, 0.0
            return 0.0
        early = self._began + self._frames * PTIME_S - now
        self._frames += 1
        self._ahead = max(self._ahead, early)
        return self._ahead - early


@asynccontextmanager
async def serving(on: set[str], models: dict[str, str], analyze: bool) -> AsyncIterator[tuple[str, int]]:
    """A server with these abilities: its URL and process id."""
    with tempfile.TemporaryDirectory(prefix="allo-abilities-") as folder:
        async with FakeLlm(_ANSWER).serve() as llm:
            path = Path(folder, "server.toml")
            path.write_text(config(llm, on, models, analyze))  # noqa: ASYNC240
            own = {"XDG_CACHE_HOME": folder, "ALLO_DATA": folder}
            arguments = ["--config", str(path), "--port", "0"]
            async with Host(
                arguments, log=Path(folder, "log"), environment=own, module="tests.load.scripted_server"
            ) as host:
                yield await host.ready(), host.pid


async def measure(name: str, url: str, pid: int, generator: Generator, calls: int, seconds: float, line: bool) -> Step:
    """Bring the number of calls up to `calls` (and the probes), and measure for `seconds`."""
    echo = Script(encode(load_clip(_CLIPS[0]).pcm, Encoding.MULAW))
    async with aiohttp.ClientSession() as http:
        for number in range(len(generator.calls), calls + _PROBES):
            probe = line or number < _PROBES
            kind, script = (RawCall, echo) if probe else (TalkingCall, talk(number))
            generator.add(await kind.dial(script, await ring(http, url, _LINE if probe else _TALKER)))
            await asyncio.sleep(1 / _DIALS_A_SECOND)
    await asyncio.sleep(_SETTLE_S)
    talking = [call for call in generator.calls if isinstance(call, TalkingCall)]
    lines = [call for call in generator.calls if not isinstance(call, TalkingCall)]
    for call in lines:
        del call.trips[:]
    for call in talking:
        del call.late[:]
    generator.own.clear()
    before, told, began = cpu_seconds(pid), await gauges(url), time.monotonic()
    await asyncio.sleep(seconds)
    took, cpu, own = time.monotonic() - began, cpu_seconds(pid) - before, list(generator.own)
    after = await gauges(url)
    trips = [np.array(call.trips) for call in lines if len(call.trips)]
    return Step(
        name=name,
        calls=calls,
        minutes=calls * took / 60,
        cpu_s=cpu,
        trips_ms=[float(lag) for trip in trips for lag in 1e3 * (trip - trip.min())],
        late_ms=[1e3 * late for call in talking for late in call.late],
        own_ms=1e3 * float(np.percentile(own, 95)),
        ended=sum(call.closed.done() for call in generator.calls),
        told={key: value - told.get(key, 0.0) for key, value in after.items()},
    )


async def run(options: argparse.Namespace, console: Console) -> list[Step]:
    """Every row, each on a server of its own; the steps with all abilities on one."""
    models = {"denoise": options.denoise, "turn": options.turn}
    rows: list[tuple[str, set[str], list[int]]] = [("line", set(), [options.calls]), ("hears", set(), [options.calls])]
    rows += [("call", set(), [options.calls]), *((one, {one}, [options.calls]) for one in ABILITIES)]
    rows += [("all", set(ABILITIES), sorted({options.calls, *options.steps}))]
    steps = []
    for name, on, numbers in rows:
        async with serving(on, models, name != "line") as (url, pid):
            generator = Generator()
            try:
                for calls in numbers:
                    line = name in ("line", "hears")
                    steps.append(await measure(name, url, pid, generator, calls, options.seconds, line))
                    console.print(
                        f"{name}, {calls} calls: {steps[-1].cpu_s / steps[-1].minutes:.2f} CPU s a minute of a call"
                    )
            finally:
                generator.stop()
                for call in generator.calls:
                    call.hang_up()
                if generator.calls:
                    await asyncio.wait([call.closed for call in generator.calls], timeout=5)
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each row")
    parser.add_argument("--steps", type=int, nargs="+", default=[5, 10, 20, 30, 40], help="calls with all abilities")
    parser.add_argument("--denoise", default="denoise-mask", help="a denoiser of the model store")
    parser.add_argument("--turn", default="smart-turn-v3", help="a turn detector of the model store")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(stderr=True)
    steps = uvloop.run(run(options, console))
    if options.json:
        found = costs(steps)
        rows = [row(step, found.get((step.name, step.calls))) for step in steps]
        json.dump({"rows": rows, "held": held(steps)}, sys.stdout, indent=1)
        return
    title = (
        f"{os.cpu_count()} cores, {options.denoise}, {options.turn}; recogniser, voice and language model from a script"
    )
    Console(width=200).print(table(steps, title))
    print(f"frames are on time up to {held(steps)} calls with all abilities, of those tried")


if __name__ == "__main__":
    main()
