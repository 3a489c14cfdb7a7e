"""What two runs of the same call, or of many, have in common and what not: the figures that operators compare, and what changed in them."""

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher

import msgspec
import numpy as np

from pipelines.actions import Observed, TurnTaken
from pipelines.analysis.voices import voices
from pipelines.events import CallEnded
from pipelines.replay.dump import Dump
from pipelines.units import SECOND, to_seconds

WENT_ON_US = 1 * SECOND
"""Who speaks again so soon after his last word had not finished."""

_COUNTED = {
    "joined": "turn_joined",
    "interruptions": "barge_in",
    "false_interruptions": "false_interruption",
    "backchannels": "backchannel",
    "drafts": "speculation",
    "drafts_dropped": "speculation_dropped",
    "openers": "opener",
    "fillers": "filler",
    "apologies": "apology",
}
"""Measure, and the fact that it counts."""


class Measures(msgspec.Struct, frozen=True):
    """A run in figures. `gaps`: seconds of each answer; `words`: the caller's turns as they were acted on; `cut_off`: turns that were taken from a caller
    who spoke on within a second; `joined`: how often such a caller had heard nothing yet, and was answered as a whole; `drafts`: answers that were
    begun before the turn was over, and how many of them were dropped; `ended`: why the call ended; `seconds`: how long it was."""

    gaps: tuple[float, ...]
    words: tuple[str, ...]
    ended: str
    seconds: float
    cut_off: int = 0
    joined: int = 0
    interruptions: int = 0
    false_interruptions: int = 0
    backchannels: int = 0
    drafts: int = 0
    drafts_dropped: int = 0
    openers: int = 0
    fillers: int = 0
    apologies: int = 0

    @property
    def gap(self) -> float | None:
        """The median, seconds."""
        return round(float(np.median(self.gaps)), 3) if self.gaps else None

    @property
    def longest_gap(self) -> float | None:
        return max(self.gaps, default=None)


COUNTS = ("cut_off", *_COUNTED)
"""The measures that are counts."""

MEASURES = ("gap", "longest_gap", "answers", "turns", "words", *COUNTS, "ended")
"""What is compared, in the order in which it is shown. Gaps in seconds; `words`: how many differ."""


class Change(msgspec.Struct, frozen=True):
    """One measure that is not what it was. None: there was nothing to measure."""

    measure: str
    before: float | str | None
    after: float | str | None


def measure(dump: Dump) -> Measures:
    """The figures of a recorded call, or of a run of one."""
    turns = dump.turns()
    facts = [action.fact for _, action in dump.actions(Observed)]
    return Measures(
        gaps=tuple(turn.gap for turn in turns if turn.gap is not None),
        words=tuple(turn.text for turn in turns if turn.party == "caller"),
        ended=next((event.reason for _, event in dump.events(CallEnded)), ""),
        seconds=to_seconds(dump.duration_us),
        cut_off=_cut_off(dump),
        **{name: facts.count(fact) for name, fact in _COUNTED.items()},
    )


def _cut_off(dump: Dump) -> int:
    spans = voices(dump).caller
    taken = [(at, round(a.turn.end * SECOND)) for at, a in dump.actions(TurnTaken) if a.turn.party == "caller"]
    return sum(any(at <= span.start <= end + WENT_ON_US for span in spans) for at, end in taken)


def changes(before: Measures, after: Measures, allowed: Mapping[str, float] | None = None) -> list[Change]:
    """What differs by more than is `allowed`, by measure; nothing is, of those that are not named."""
    limits = allowed or {}
    found = []
    for name in MEASURES:
        one, other = (0, words_changed(before, after)) if name == "words" else (_of(before, name), _of(after, name))
        if one == other:
            continue
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        if numbers and abs(other - one) <= limits.get(name, 0) + 1e-9:
            continue
        found.append(Change(name, one, other))
    return found


def _of(run: Measures, name: str) -> float | str | None:
    if name in ("answers", "turns"):
        return len(run.gaps if name == "answers" else run.words)
    return getattr(run, name)


def words_changed(before: Measures, after: Measures) -> int:
    """Words that the one acted on and the other did not, wherever they stand in turns."""
    one, other = (" ".join(run.words).lower().split() for run in (before, after))
    blocks = SequenceMatcher(None, one, other, autojunk=False).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in blocks if tag != "equal")


def together(runs: Sequence[Measures]) -> Measures:
    """Many runs as one."""
    return Measures(
        gaps=tuple(gap for run in runs for gap in run.gaps),
        words=tuple(text for run in runs for text in run.words),
        ended="",
        seconds=round(sum(run.seconds for run in runs), 3),
        **{name: sum(getattr(run, name) for run in runs) for name in COUNTS},
    )
