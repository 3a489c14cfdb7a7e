"""The bench of turn-taking: scripted callers, what they waited for, and how the agent behaved when both spoke.

    python -m tests.load.turns                                  # every caller once, about a quarter of an hour
    python -m tests.load.turns --scripts questions_en noises_fr --rounds 2 --picture gaps.png
    python -m tests.load.turns --calls 4 --json                 # four callers at once on one server

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
from rich.table import Table

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
    Answer,
    Covered,
    Span,
    answer,
    covered,
    cut_off,
    memories,
    pieces,
    yielded,
)
from tests.load.waterfall import write_waterfall

PARTS = ("endpointing", "stt", "first_token", "first_audio", "playout")
SCRIPTS = Path(__file__).parent / "scripts"
_APART_S = 1.7
_LATE_S = 0.05


class Memory(msgspec.Struct, frozen=True):
    """Of a reply that was cut: the words the agent remembers, those that were in the ear, and the edit distance."""

    remembered: str
    heard: str
    words: int


class Overlaid(msgspec.Struct, frozen=True):
    """A sound over the agent, by its clip, and how it was taken."""

    clip: str
    taken: Covered


class Measured(msgspec.Struct, frozen=True):
    """One call. `cut`: turns taken too early, for each utterance; `yields`: seconds, None when the agent never fell
    silent; `errors`: the caller's words misheard, as a rate; `lateness`: the most, in seconds, by which the caller's
    own audio left late, which says how busy this machine was."""

    script: str
    answers: tuple[Answer, ...]
    cut: tuple[int, ...]
    yields: tuple[float | None, ...]
    over: tuple[Overlaid, ...]
    memory: tuple[Memory, ...]
    errors: float
    lateness: float
    failures: tuple[str, ...]


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


# ---- telling of them


def percentiles(values: Sequence[float]) -> str:
    """Median / 95th percentile."""
    return f"{np.median(values):.2f} / {np.percentile(values, 95):.2f}" if len(values) else "-"


def row(calls: Sequence[Measured]) -> list[str]:
    """The figures of some calls, as the table shows them."""
    answers = [a for call in calls for a in call.answers]
    cut = [n for call in calls for n in call.cut]
    yields = [s for call in calls for s in call.yields]
    taken = [sound.taken for call in calls for sound in call.over]
    stopped = [one for one in taken if one.stopped]
    words = [memory.words for call in calls for memory in call.memory]
    never = sum(s is None for s in yields)
    return [
        str(len(answers)),
        percentiles([a.first for a in answers]),
        percentiles([a.word for a in answers if a.word is not None]),
        *(percentiles([a.parts[part] for a in answers if part in a.parts]) for part in PARTS),
        _of(sum(n > 0 for n in cut), len(cut)),
        percentiles([s for s in yields if s is not None]) + (f", {never} never" if never else ""),
        _of(len(stopped), len(taken)),
        _of(sum(one.resumed for one in stopped), len(stopped)),
        _of(sum(one.answered for one in taken), len(taken)),
        f"{max(words)} / {len(words)}" if words else "-",
    ]


def _of(some: int, all_: int) -> str:
    return f"{some} of {all_}" if all_ else "-"


def table(calls: Sequence[Measured], title: str) -> Table:
    """A line for each caller, and one for all."""
    figures = Table(
        "caller", "replies", "gap", "word", *(part.replace("_", " ") for part in PARTS),
        "cut off", "yield", "stopped", "resumed", "answered", "memory",
        title=title, title_justify="left",
    )  # fmt: skip
    for name in dict.fromkeys(call.script for call in calls):
        figures.add_row(name, *row([call for call in calls if call.script == name]))
    figures.add_section()
    figures.add_row("all", *row(calls))
    return figures


def faults(calls: Sequence[Measured]) -> list[str]:
    """What was not as it should be, line by line."""
    lines = []
    for call in calls:
        for sound in call.over:
            if sound.taken.stopped:
                silence = sound.taken.silence
                went_on = "and it never went on" if silence is None else f"silent for {silence:.2f} s"
                lines.append(f"{call.script}: {sound.clip} stopped the agent: {went_on}")
        for memory in call.memory:
            if memory.words > 1:
                lines.append(f"{call.script}: remembered {memory.remembered!r}, heard {memory.heard!r}")
        lines += [f"{call.script}: {failure}" for failure in call.failures]
        if call.lateness > _LATE_S:
            lines.append(
                f"{call.script}: the caller's own audio left {call.lateness:.2f} s late: this machine was busy"
            )
    return lines


def run(
    jobs: Sequence[Sequence[str]], dumps: Path, config: Path | None, weights: Path, console: Console
) -> list[Measured]:
    """Place all calls, each group on a server of its own, and only then count: that takes the processor too."""
    placed = []
    with Progress(console=console) as progress:
        task = progress.add_task("calls", total=len(jobs))
        for names in jobs:
            progress.update(task, description=", ".join(names))
            placed += asyncio.run(place(names, dumps, config))
            progress.advance(task)
        progress.update(task, description="counting")
        aligner = Aligner(weights)
        return [measure(*one, aligner) for one in placed]


def main() -> None:
    shipped = sorted(path.stem for path in SCRIPTS.glob("*.toml"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", nargs="+", default=shipped, choices=shipped, metavar="NAME")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--calls", type=int, default=1, help="callers at once on one server")
    parser.add_argument("--config", type=Path, help="configuration of the servers")
    parser.add_argument("--dumps", type=Path, metavar="DIR", help="keep the calls' dumps here")
    parser.add_argument("--json", action="store_true", help="everything measured, on standard output")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="where each gap went")
    options = parser.parse_args()
    console = Console(stderr=True)
    weights = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser() / "whisper-base"
    jobs = groups(by_turns(options.scripts), options.calls) * options.rounds
    if options.dumps is None:
        with tempfile.TemporaryDirectory(prefix="allo-turns-") as folder:
            calls = run(jobs, Path(folder), options.config, weights, console)
    else:
        options.dumps.mkdir(parents=True, exist_ok=True)
        calls = run(jobs, options.dumps, options.config, weights, console)
    at_once = f"{options.calls} calls at once" if options.calls > 1 else "one call at a time"
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
