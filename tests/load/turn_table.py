"""What the bench of turn-taking measured in its calls, and how it tells of it."""

from collections.abc import Sequence

import msgspec
import numpy as np
from rich.table import Table

from tests.load.turn_counts import Answer, Covered

PARTS = ("endpointing", "stt", "first_token", "first_audio", "playout")
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
    own audio left late, which says how busy this machine was; `calls`: how many there were at once."""

    script: str
    answers: tuple[Answer, ...]
    cut: tuple[int, ...]
    yields: tuple[float | None, ...]
    over: tuple[Overlaid, ...]
    memory: tuple[Memory, ...]
    errors: float
    lateness: float
    failures: tuple[str, ...]
    calls: int = 1


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
    """A line for each caller, and one for all; of calls that differ in how many there were at once, a line for each
    number."""
    numbers = list(dict.fromkeys(call.calls for call in calls))
    figures = Table(
        "calls" if len(numbers) > 1 else "caller", "replies", "gap", "word", *(part.replace("_", " ") for part in PARTS),
        "cut off", "yield", "stopped", "resumed", "answered", "memory",
        title=title, title_justify="left",
    )  # fmt: skip
    if len(numbers) > 1:
        for number in numbers:
            figures.add_row(str(number), *row([call for call in calls if call.calls == number]))
        return figures
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
