"""The bench of turn-taking: scripted callers, what they waited for, and how the agent behaved when both spoke.

    python -m tests.load.turns                                  # every caller once, about a quarter of an hour
    python -m tests.load.turns --scripts questions_en noises_fr --rounds 2 --picture gaps.png
    python -m tests.load.turns --calls 4 --json                 # four callers at once on one server
    python -m tests.load.turns --calls 1 2 4                    # a row for each number of callers at once

The callers are in `scripts/`. Every call (with `--calls`, every group of calls) gets a server of its own: with a server
that stays, a repeated script finds its whole prompt in the language model's cache, and the first token comes in a sixth
of the time that a new caller would wait. With `--calls` callers start 1.7 s apart, English and French by turns; what
the later ones find in the cache is what the agent's instructions leave there, as in real life.

gap, word     seconds from the caller's last sound to the agent's first, and to the first word of the answer (a filler
              is none), both in the caller's ear.
parts         of the gap, as the server knows them (`Turn.parts`).
cut off       utterances, inner pauses included, before whose end a turn was taken, by the dump, of all utterances.
yield         seconds from the first sound of an interruption until silence in the ear; `never` those without.
stopped       sounds that ask for nothing (backchannels, coughs, noises) and silenced the agent while they lasted or
              up to 1.5 s after, of all that fell on its speech; `resumed`: of those, how many it went on from within a second of silence;
              `answered`: sounds taken for a turn.
memory        words by which the agent's memory of a cut reply differs from the words that were in the ear: worst / cuts.
"""

import argparse
import asyncio
import json
import os
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
from rich.console import Console
from rich.progress import Progress

from pipelines.errors import AlloError
from pipelines.replay.dump import Dump, read_dump
from server.caller.conversation import Conversation, Said
from server.caller.host import Host
from server.caller.report import judge
from server.caller.script import Interrupt, Script, load_script
from server.caller.twilio import TwilioLine
from server.caller.watch import find_dump, turns_of
from server.caller.words import misheard
from tests.load.heard_words import Aligner, truly_heard
from tests.load.turn_counts import (
    Span,
    answer,
    covered,
    cut_off,
    memories,
    pieces,
    yielded,
)
from tests.load.turn_table import Measured, Memory, Overlaid, faults, table
from tests.load.waterfall import write_waterfall

SCRIPTS = Path(__file__).parent / "scripts"
_APART_S = 1.7


# ---- placing calls


def by_turns(names: Sequence[str]) -> list[str]:
    """English and French scripts alternately, as far as there are both."""
    english, french = [n for n in names if not n.endswith("_fr")], [n for n in names if n.endswith("_fr")]
    pairs = [pair for pair in zip(english, french, strict=False)]
    rest = english[len(pairs) :] + french[len(pairs) :]
    return [name for pair in pairs for name in pair] + rest


def groups(names: Sequence[str], calls: int) -> list[list[str]]:
    """Callers of one server each: `calls` at a time; the last group is filled from the beginning."""
    whole = -(-len(names) // calls) * calls
    filled = [names[n % len(names)] for n in range(whole)]
    return [filled[n : n + calls] for n in range(0, whole, calls)]


async def place(names: Sequence[str], dumps: Path, config: Path | None) -> list[tuple[str, Conversation, Dump]]:
    """Let these callers call one fresh server, 1.7 s apart; it records them in `dumps`. Raises AlloError when it does
    not start, or leaves no dump of a call."""
    with tempfile.TemporaryDirectory(prefix="allo-turns-") as folder:  # the agent's database: every slot is free
        arguments = ["--port", "0", "--dumps", str(dumps), *(["--config", str(config)] if config else [])]
        async with Host(arguments, log=dumps / "server.log", environment={"ALLO_DATA": folder}) as host:
            url = await host.ready()
            calls = [_call(load_script(str(SCRIPTS / f"{n}.toml")), url, k * _APART_S) for k, n in enumerate(names)]
            conversations = await asyncio.gather(*calls)
            folders = [await _dump_of(dumps, conversation.line.call_id) for conversation in conversations]
            return [
                (name, conversation, read_dump(path))
                for name, conversation, path in zip(names, conversations, folders, strict=True)
            ]


async def _call(script: Script, url: str, after: float) -> Conversation:
    await asyncio.sleep(after)
    line = await TwilioLine.dial(
        f"{url}/twilio/voice", caller=script.caller, called=script.called, noise_snr=script.noise_snr
    )
    conversation = Conversation(line, script)
    await conversation.act()
    return conversation


async def _dump_of(dumps: Path, call_id: str) -> Path:
    """The folder of a call that is over, once it is complete."""
    async for _ in turns_of(dumps, call_id, lambda: True):
        pass
    folder = find_dump(dumps, call_id)
    if folder is None:
        raise AlloError("the server left no dump of a call")
    return folder


# ---- measuring them


def measure(name: str, conversation: Conversation, dump: Dump, aligner: Aligner) -> Measured:
    """Everything that is counted in one call."""
    line, steps = conversation.line, conversation.script.step
    ear, end = line.ear, line.ended_at if line.ended_at is not None else line.now
    found = pieces(dump, ear.wave(end))
    answers, cut, yields = [], [], []
    sounds = sorted([*conversation.said, *conversation.over], key=lambda sound: sound.start)
    for said, until in zip(conversation.said, [*(s.start for s in conversation.said[1:]), end], strict=True):
        utterance = _span(said)
        cut.append(cut_off(dump, utterance))
        if (heard := answer(dump, ear, found, utterance, until)) is not None:
            answers.append(heard)
        if isinstance(steps[said.step], Interrupt) and (seconds := yielded(dump, ear, utterance)) is not None:
            yields.append(None if np.isinf(seconds) else seconds)
    over = []
    for sound in conversation.over:
        later = [other.start for other in sounds if other.start > sound.start]
        if (taken := covered(dump, ear, _span(sound), min([*later, end]))) is not None:
            over.append(Overlaid(sound.clip.name, taken))
    memory = [_memory(remembered, truly_heard(dump, found, n, aligner)) for n, remembered in memories(dump)]
    report = judge(conversation, dump.turns())
    return Measured(
        name,
        tuple(answers),
        tuple(cut),
        tuple(yields),
        tuple(over),
        tuple(memory),
        report.errors,
        report.lateness,
        tuple(report.failures),
    )


def _span(said: Said) -> Span:
    return Span(said.start, said.end)


def _memory(remembered: str, heard: str) -> Memory:
    return Memory(remembered, heard, misheard(_written(heard), _written(remembered)))


def _written(text: str) -> list[str]:
    """Words as the agent wrote them: "9" is one, whatever it takes to say it."""
    return re.findall(r"[\w']+", text.lower())


# ---- the command


def run(
    jobs: Sequence[Sequence[str]], dumps: Path, config: Path | None, weights: Path, console: Console
) -> list[Measured]:
    """Place all calls, each job on a server of its own, and only then count: that takes the processor too."""
    placed: list[tuple[int, tuple[str, Conversation, Dump]]] = []
    with Progress(console=console) as progress:
        task = progress.add_task("calls", total=len(jobs))
        for names in jobs:
            progress.update(task, description=", ".join(names))
            placed += [(len(names), one) for one in asyncio.run(place(names, dumps, config))]
            progress.advance(task)
        progress.update(task, description="counting")
        aligner = Aligner(weights)
        return [msgspec.structs.replace(measure(*one, aligner), calls=calls) for calls, one in placed]


def main() -> None:
    shipped = sorted(path.stem for path in SCRIPTS.glob("*.toml"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", nargs="+", default=shipped, choices=shipped, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--calls", type=int, nargs="+", default=[1], help="callers at once on one server")
    parser.add_argument("--config", type=Path, help="configuration of the servers")
    parser.add_argument("--dumps", type=Path, metavar="DIR", help="keep the calls' dumps here")
    parser.add_argument("--json", action="store_true", help="everything measured, on standard output")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="where each gap went")
    options = parser.parse_args()
    console = Console(stderr=True)
    weights = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser() / "whisper-base"
    names = by_turns(options.scripts)
    jobs = [job for number in options.calls for job in groups(names, number) * options.rounds]
    if options.dumps is None:
        with tempfile.TemporaryDirectory(prefix="allo-turns-") as folder:
            calls = run(jobs, Path(folder), options.config, weights, console)
    else:
        options.dumps.mkdir(parents=True, exist_ok=True)
        calls = run(jobs, options.dumps, options.config, weights, console)
    at_once = "one call at a time" if options.calls == [1] else f"{', '.join(map(str, options.calls))} calls at once"
    title = f"{at_once}; seconds, median / 95th percentile"
    if options.picture:
        answers = [(call.script, one) for call in calls for one in call.answers]
        write_waterfall(answers, options.picture, f"Where the gaps went, {at_once}")
    if options.json:
        json.dump(msgspec.to_builtins(calls), sys.stdout, indent=1)
        return
    Console(width=200).print(table(calls, title))
    for line in faults(calls):
        print(line)


if __name__ == "__main__":
    main()
