"""How often a policy of endpointing cuts callers off, and how long it makes them wait when they are done. Pure.

Scored as LiveKit's eot-bench does (github.com/livekit/eot-bench, README): a pause inside a turn, 0.2 to 5 s long, is cut
off when the policy would have waited less; latency is the mean of its waits at the true ends of turns, without any time
to compute. Two policies are compared at the same latency, or at the same share of pauses cut off: of each, all waits are
multiplied by one number until it is there.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from rich.table import Table

SHORTEST_MS, LONGEST_MS = 200, 5_000
LATENCIES_MS = (300, 600)
CUT = 0.05
"""The share of pauses at which latencies are compared."""

# English, of the same README: not these recordings, so no more than a yardstick.
_PUBLISHED = {"LiveKit Turn Detector v1": ("9.9", "4.5", "543"), "their plain silence": ("55.6", "21.7", "1600")}


class Pause(msgspec.Struct, frozen=True):
    """How long it lasted, and how long each policy, by name, would have waited; milliseconds."""

    lasted: float
    waits: dict[str, float]


class Turn(msgspec.Struct, frozen=True):
    """The pauses inside it, and how long each policy waits at its end; milliseconds."""

    subset: str
    pauses: tuple[Pause, ...]
    waits: dict[str, float]

    @property
    def counted(self) -> list[Pause]:
        """The pauses that count."""
        return [pause for pause in self.pauses if SHORTEST_MS <= pause.lasted <= LONGEST_MS]


def latency(turns: Sequence[Turn], policy: str) -> float:
    """Mean wait at the ends, ms."""
    return float(np.mean([turn.waits[policy] for turn in turns]))


def pauses_cut(turns: Sequence[Turn], policy: str, scale: float = 1.0) -> float:
    """Share of pauses that outlast the policy's waits times `scale`; NaN without pauses."""
    ratios = _ratios(turns, policy)
    return float(np.mean(ratios > scale)) if ratios.size else float("nan")


def turns_cut(turns: Sequence[Turn], policy: str) -> float:
    """Share of turns with such a pause."""
    return float(np.mean([any(p.lasted > p.waits[policy] for p in turn.counted) for turn in turns]))


def cut_at(turns: Sequence[Turn], policy: str, latency_ms: float) -> float:
    """Share of pauses cut off once the policy is scaled to that latency."""
    return pauses_cut(turns, policy, latency_ms / latency(turns, policy))


def latency_at(turns: Sequence[Turn], policy: str, share: float) -> float:
    """The latency, ms, of the policy scaled so that it cuts off at most that share of pauses; NaN without pauses."""
    ratios = np.sort(_ratios(turns, policy))[::-1]
    return float(ratios[int(share * ratios.size)]) * latency(turns, policy) if ratios.size else float("nan")


def _ratios(turns: Sequence[Turn], policy: str) -> np.ndarray:
    return np.array([pause.lasted / pause.waits[policy] for turn in turns for pause in turn.counted])


def table(turns: Sequence[Turn]) -> Table:
    """A row for each set and policy, for all of a language, and for all."""
    shown = Table(
        "", "policy", "turns", "pauses", "wait, mean / median", "pauses cut", "turns cut",
        *(f"cut at {ms} ms" for ms in LATENCIES_MS), f"ms at {CUT:.0%} cut",
        title="Pauses inside turns cut off, %, and the wait at their ends, ms", title_justify="left",
    )  # fmt: skip
    subsets = list(dict.fromkeys(turn.subset for turn in turns))
    groups = {name: [turn for turn in turns if turn.subset == name] for name in subsets}
    groups |= {f"all {code}": [turn for turn in turns if turn.subset.startswith(code)] for code in ("en", "fr")}
    for name, some in {**groups, "all": list(turns)}.items():
        if not some:
            continue
        shown.add_section()
        for number, policy in enumerate(some[0].waits):
            head = (name, policy, str(len(some)), str(sum(len(turn.counted) for turn in some)))
            waits = [turn.waits[policy] for turn in some]
            shown.add_row(
                *(head if number == 0 else ("", policy, "", "")),
                f"{np.mean(waits):.0f} / {np.median(waits):.0f}",
                _figure(100 * pauses_cut(some, policy), 1),
                _figure(100 * turns_cut(some, policy), 1),
                *(_figure(100 * cut_at(some, policy, ms), 1) for ms in LATENCIES_MS),
                _figure(latency_at(some, policy, CUT), 0),
            )
    shown.add_section()
    for name, figures in _PUBLISHED.items():
        shown.add_row("published", name, *[""] * 5, *figures)
    return shown


def _figure(value: float, digits: int) -> str:
    return "-" if np.isnan(value) else f"{value:.{digits}f}"
