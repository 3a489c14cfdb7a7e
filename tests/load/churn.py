"""Callers who hang up, or whose line breaks, at every stage of a call: whether anything of them is left.

    python -m tests.load.churn --calls 200

Stages: `greeting` (the agent's first words), `utterance` (the caller is speaking), `reply` (the agent is answering),
`tool` (the agent waits for a slow tool). Half of the callers say goodbye on the wire, half break the connection. Voice
activity, recognition and speech synthesis are the real ones; the language model is an endpoint of this test's own.
Before, after a warm-up, and after each stage the server's gauges are read: calls, tasks, threads, open files and queues
must be back where they were, and memory may not have grown by more than `--grow` MiB in all.
"""

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from pipelines.audio.g711 import encode
from pipelines.frames import TELEPHONE, Encoding
from server.caller.host import Host
from server.caller.script import load_clip
from tests.load.fake_llm import FakeLlm, config
from tests.load.generator import Generator
from tests.load.process import gauges
from tests.load.raw_call import RawCall, Script, ring

_TALKER, _TOOLER = "+15550101", "+15550102"
_STAGES = {"greeting": _TALKER, "utterance": _TALKER, "reply": _TALKER, "tool": _TOOLER}
_STAGE_LIMIT_S = 30.0
_SETTLE_S = 20.0
_TOOL_LIMIT_S = 8.0
_COUNTED = ("allo_calls_active", "allo_tasks", "allo_threads", "process_open_fds")


class Churn:
    """Places calls and drops them. `reached`: calls that got to their stage; `missed`: those that did not in time."""

    def __init__(self, url: str, llm: FakeLlm, generator: Generator, at_once: int) -> None:
        self._url, self._llm, self._generator = url, llm, generator
        self._room = asyncio.Semaphore(at_once)
        self._silence = Script(TELEPHONE.silence(320))
        self._speech = Script(encode(load_clip("en_hours").pcm, Encoding.MULAW))
        self.reached = self.missed = 0
        self._done = self._served = 0  # callers who have finished speaking, and requests before the first of them

    async def stage(self, name: str, calls: int) -> None:
        """`calls` calls, each dropped in the stage."""
        self._done, self._served = 0, self._llm.looking if name == "tool" else self._llm.asked
        async with aiohttp.ClientSession() as http:
            await asyncio.gather(*(self._call(http, name, broken=bool(n % 2)) for n in range(calls)))

    async def _call(self, http: aiohttp.ClientSession, name: str, *, broken: bool) -> None:
        async with self._room:
            call = await RawCall.dial(self._silence, await ring(http, self._url, _STAGES[name]))
            self._generator.add(call)
            try:
                async with asyncio.timeout(_STAGE_LIMIT_S):
                    await getattr(self, f"_to_{name}")(call)
                self.reached += 1
            except TimeoutError:
                self.missed += 1
            finally:
                self._generator.remove(call)
                if broken:
                    call.drop()
                else:
                    call.hang_up()
                await asyncio.wait_for(call.closed, 10)

    async def _to_greeting(self, call: RawCall) -> None:
        await call.media_seen.wait()
        await asyncio.sleep(0.2)

    async def _to_utterance(self, call: RawCall) -> None:
        await self._to_greeting(call)
        call.script = self._speech
        await asyncio.sleep(1.5)

    async def _to_reply(self, call: RawCall) -> None:
        await self._to_utterance(call)  # over the greeting: he interrupts it
        await self._counted(call, lambda: self._llm.asked)
        call.media_seen.clear()
        await call.media_seen.wait()
        await asyncio.sleep(0.2)

    async def _to_tool(self, call: RawCall) -> None:
        await self._to_utterance(call)
        await self._counted(call, lambda: self._llm.looking)
        await asyncio.sleep(0.2)

    async def _counted(self, call: RawCall, count: Callable[[], int]) -> None:
        """The caller is done; wait until so many of his kind were served as are done. Who is whose cannot be told."""
        call.script = self._silence
        self._done += 1
        wanted = self._done
        async with self._llm.begun:
            await self._llm.begun.wait_for(lambda: count() - self._served >= wanted)


async def settled(url: str, before: dict[str, float] | None) -> dict[str, float]:
    """The gauges, once they are back at `before` or have had the time to be."""
    for _ in range(int(_SETTLE_S / 0.5)):
        await asyncio.sleep(0.5)
        now = await gauges(url)
        if not now["allo_calls_active"] and (before is None or not leaks(before, now)):
            break
    return now


def leaks(before: dict[str, float], after: dict[str, float]) -> list[str]:
    """What there is more of after than before."""
    queues = [name for name in after if name.startswith("allo_queue_depth")]
    return [
        f"{name}: {before.get(name, 0):g} before, {after[name]:g} after"
        for name in (*_COUNTED, *queues)
        if after[name] > before.get(name, 0)
    ]


async def run(options: argparse.Namespace, console: Console) -> list[str]:
    """All stages; returns what was left behind."""
    llm = FakeLlm()
    failures: list[str] = []
    table = Table("stage", "reached", "missed", "calls", "tasks", "threads", "files", "memory, MiB")
    with tempfile.TemporaryDirectory() as folder:
        async with llm.serve() as llm_url:
            path = Path(folder) / "churn.toml"
            path.write_text(config(llm_url))
            async with Host(["--config", str(path), "--port", "0"], log=Path(options.log)) as host:
                url = await host.ready()
                generator = Generator()
                churn = Churn(url, llm, generator, options.at_once)
                for name in options.stages:
                    await churn.stage(name, max(2, options.at_once))
                await asyncio.sleep(_TOOL_LIMIT_S)  # tools of calls that have gone may run to their limit
                before = await settled(url, None)
                memory = before["process_resident_memory_bytes"]
                _row(table, "warm-up", churn, before)
                for name in options.stages:
                    churn.reached = churn.missed = 0
                    asked = llm.asked
                    await churn.stage(name, options.calls)
                    if name in ("reply", "tool") and llm.asked - asked < options.calls:
                        failures.append(f"{name}: only {llm.asked - asked} replies were begun")
                    after = await settled(url, before)
                    _row(table, name, churn, after)
                    failures += [f"{name}: {leak}" for leak in leaks(before, after)]
                    if churn.missed:
                        failures.append(f"{name}: {churn.missed} of {options.calls} calls never got there")
                    console.print(f"{name}: {churn.reached} calls dropped there")
                generator.stop()
                grown = (after["process_resident_memory_bytes"] - memory) / 2**20
                if grown > options.grow:
                    failures.append(f"memory grew by {grown:.1f} MiB")
    console.print(table)
    return failures


def _row(table: Table, name: str, churn: Churn, now: dict[str, float]) -> None:
    counted = (f"{now[gauge]:g}" for gauge in _COUNTED)
    memory = now["process_resident_memory_bytes"] / 2**20
    table.add_row(name, str(churn.reached), str(churn.missed), *counted, f"{memory:.1f}")


def main() -> int:
    """Exit status 1 when something was left behind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200, help="calls a stage")
    parser.add_argument("--at-once", type=int, default=4)
    parser.add_argument("--stages", nargs="+", choices=list(_STAGES), default=list(_STAGES))
    parser.add_argument("--grow", type=float, default=24.0, help="MiB")
    parser.add_argument("--log", default="churn.log", help="where the server's log goes")
    console = Console()
    failures = asyncio.run(run(parser.parse_args(), console))
    for failure in failures:
        console.print(f"✗ {failure}", style="red", markup=False)
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())
