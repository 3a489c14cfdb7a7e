"""The yardstick: the same scripted callers call Allô and a bot made with pipecat, on the same weights and the same machine.

    python -m tests.load.rival                        # the English script, three times each
    python -m tests.load.rival --scripts en --rounds 1

The calls alternate, and each has servers of its own, warmed up alike. On first use pipecat is installed into a virtual
environment of its own in the cache folder; Allô's packages do not know of it. English only.

Both are measured alike, in the caller's ear:

gap     from the last sound of what the caller said until the first audible sound of the agent after it.
answer  the same, until the first sound that is no filler ("One moment, please."): Allô says one when a tool takes long, pipecat
        says none.
yield   from the first sound of a clip spoken over the agent until the agent is silent.
no gap  things the caller said that no silence and then an answer followed: the agent spoke already, or said nothing.
went on interruptions that the agent did not yield to; no target: those that found no agent speaking for long enough.
others  the share of this machine that went to anything else meanwhile: over a few percent, measure again.

The words of the rival's answers are not judged: its agent has the facts in its prompt and no tools, which is one run of the
language model for each reply, where Allô's agent calls tools.
"""

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from pipelines.replay.dump import read_dump
from server.caller.conversation import Conversation
from server.caller.script import AwaitHangUp, Listen, Script, load_script
from server.caller.twilio import TwilioLine
from server.caller.watch import find_dump
from server.config import load
from tests.load.rival.measure import Heard, heard
from tests.load.rival.servers import allo, home, install, pipecat


def caller(name: str) -> Script:
    """A shipped script whose caller hangs up himself once he has heard the last answer: the rival's agent cannot."""
    script = load_script(name)
    if script.language != "en":
        raise SystemExit(f"{name} is in {script.language!r}: the rival has an English voice only")
    steps = tuple(Listen() if isinstance(step, AwaitHangUp) else step for step in script.step)
    return msgspec.structs.replace(script, step=steps)


async def place(server: AbstractAsyncContextManager[str], script: Script, dumps: Path) -> Heard:
    """One call to a server that is up for its time. `dumps`: where it records calls, if it does."""
    busy, ours, began = machine_busy(), own_time(), time.monotonic()
    async with server as url:
        line = await TwilioLine.dial(f"{url}/twilio/voice", caller=script.caller, called=script.called)
        conversation = Conversation(line, script)
        await conversation.act()
    folder = find_dump(dumps, line.call_id)
    result = heard(conversation, read_dump(folder) if folder else None)
    if busy is not None:
        # Of the server's processes the time is known once they have ended, which is now.
        foreign = machine_busy() - busy - (own_time() - ours)
        result.others.append(max(0.0, foreign / ((time.monotonic() - began) * os.cpu_count())))
    return result


def machine_busy() -> float | None:
    """Seconds of all cores that were not idle since the machine started; None where /proc does not say."""
    try:
        user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split()[1:8])
    except OSError:
        return None
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def own_time() -> float:
    """Processor seconds of this process and of those it started that have ended."""
    return sum(os.times()[:4])


def spread(values: list[float]) -> tuple[float, float]:
    """Median and 95th percentile; NaN of nothing."""
    return (float(np.median(values)), float(np.percentile(values, 95))) if values else (np.nan, np.nan)


def pair_text(pair: Sequence[float]) -> str:
    return "-" if np.isnan(pair).any() else f"{pair[0]:.2f} / {pair[1]:.2f}"


def print_table(console: Console, results: dict[str, Heard]) -> None:
    table = Table("", "gap", "answer", "yield", "answers", "no gap", "went on", "no target", "others")
    table.title = "seconds in the caller's ear, median / 95th percentile"
    spreads = {
        name: [spread(values) for values in (row.gaps, row.answers, row.yields)] for name, row in results.items()
    }
    for name, row in results.items():
        counts = (str(count) for count in (len(row.answers), row.unanswered, row.held, row.missed))
        others = f"{np.mean(row.others):.0%}" if row.others else "-"
        table.add_row(name, *map(pair_text, spreads[name]), *counts, others)
    ratios = np.divide(spreads["pipecat"], spreads["Allô"])
    table.add_row("pipecat : Allô", *map(pair_text, ratios), style="bold")
    console.print(table)


async def compare(console: Console, scripts: list[str], rounds: int, turns: str) -> dict[str, Heard]:
    python = install(console)
    config = load(None)
    results = {"pipecat": Heard(), "Allô": Heard()}
    for n in range(rounds):
        for name in scripts:
            script = caller(name)
            for who in sorted(results, reverse=n % 2 == 0):  # whoever was first is second in the next round
                with tempfile.TemporaryDirectory(prefix="allo-rival-") as folder:
                    server = allo(Path(folder)) if who == "Allô" else pipecat(python, config, turns, home() / "bot.log")
                    result = await place(server, script, Path(folder) / "dumps")
                results[who].add(result)
                seen = (result.gaps, result.answers, result.yields)
                gaps, answers, yields = (", ".join(f"{second:.2f}" for second in seconds) or "-" for seconds in seen)
                others = ", ".join(f"{share:.0%}" for share in result.others) or "an unknown share"
                console.print(
                    f"{name} {n + 1}, {who}: gap {gaps}; answer {answers}; yield {yields}; {others} went to others"
                )
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", nargs="+", default=["en"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--turns", choices=["smart", "timeout"], default="smart", help="how pipecat takes turns (its default: smart)"
    )
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    console = Console(stderr=options.json, width=120)
    results = asyncio.run(compare(console, options.scripts, options.rounds, options.turns))
    if options.json:
        print(json.dumps(msgspec.to_builtins(results), ensure_ascii=False))
    else:
        print_table(console, results)


if __name__ == "__main__":
    main()
