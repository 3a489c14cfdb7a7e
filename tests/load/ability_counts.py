"""What `abilities` measured in its steps, and how it tells of it."""

from collections.abc import Sequence

import msgspec
import numpy as np
from rich.table import Table

_LIMIT_MS = 20.0
_RUNS = "allo_model_run_seconds_count{worker="
_EVENTS = "allo_worker_events_total{event="
_DROPS = ("dropped", "skipped", "superseded", "timeout", "failed", "refused")
_LESS = {"hears": "line", "call": "hears"}
"""By row, the row that has one thing less; of abilities that is `call`."""


class Step(msgspec.Struct, frozen=True):
    """One row: `calls` at once, together for `minutes`. `cpu_s`: of the server's process; `trips_ms`, `late_ms`: by how much frames of line tests
    and of agents were late; `own_ms`: the generator; `ended`: calls that did not last; `told`: by how much the server's metrics rose."""

    name: str
    calls: int
    minutes: float
    cpu_s: float
    trips_ms: list[float]
    late_ms: list[float]
    own_ms: float
    ended: int
    told: dict[str, float]

    @property
    def cpu(self) -> float:
        """Seconds a minute of a call."""
        return self.cpu_s / self.minutes

    def lag_ms(self) -> tuple[float, float, float]:
        """Median, 95th percentile, most."""
        every = np.array([*self.trips_ms, *self.late_ms])
        return (
            (float(np.median(every)), float(np.percentile(every, 95)), float(every.max())) if every.size else (0, 0, 0)
        )

    @property
    def holds(self) -> bool:
        """Whether frames are on time, and nobody was lost."""
        return self.lag_ms()[1] <= _LIMIT_MS and not self.ended

    def asked(self) -> dict[str, float]:
        """Runs of each worker, a minute of a call."""
        return {worker: count / self.minutes for worker, count in _labelled(self.told, _RUNS).items()}

    def dropped(self) -> dict[str, int]:
        """What workers dropped, by name and reason."""
        events = _labelled(self.told, _EVENTS)
        return {name: round(count) for name, count in events.items() if name.endswith(_DROPS)}


def _labelled(told: dict[str, float], prefix: str) -> dict[str, float]:
    return {
        key[len(prefix) :].strip('"}'): value for key, value in told.items() if key.startswith(prefix) and value > 0
    }


def costs(steps: Sequence[Step]) -> dict[tuple[str, int], float]:
    """By row and calls: CPU seconds a minute of a call above the row that has one thing less, at the same number of calls."""
    cpu = {(step.name, step.calls): step.cpu for step in steps}
    found = {}
    for name, calls in cpu:
        less = _LESS.get(name, "call"), calls
        if name != "line" and less in cpu:
            found[name, calls] = cpu[name, calls] - cpu[less]
    return found


def held(steps: Sequence[Step]) -> int:
    """The most calls with all abilities at which frames are on time, as at every lower number that was tried."""
    most = 0
    for step in sorted((step for step in steps if step.name == "all"), key=lambda step: step.calls):
        if not step.holds:
            break
        most = step.calls
    return most


def row(step: Step, cost: float | None) -> dict:
    """A step in figures."""
    median, late, most = step.lag_ms()
    return {
        "row": step.name,
        "calls": step.calls,
        "cpu_s_per_call_minute": round(step.cpu, 3),
        "costs": None if cost is None else round(cost, 3),
        "lag_p50_ms": round(median, 2),
        "lag_p95_ms": round(late, 2),
        "lag_max_ms": round(most, 1),
        "own_p95_ms": round(step.own_ms, 2),
        "frames": len(step.trips_ms) + len(step.late_ms),
        "asked": {worker: round(count, 1) for worker, count in step.asked().items()},
        "dropped": step.dropped(),
        "ended": step.ended,
        "holds": step.holds,
    }


def table(steps: Sequence[Step], title: str) -> Table:
    """The rows, for people."""
    found = costs(steps)
    shown = Table(title=title, title_justify="left")
    for name in ("", "calls", "CPU s", "costs", "lag, ms", "own", "asked a minute of a call", "dropped", "holds"):
        shown.add_column(name)
    for step in steps:
        figures = row(step, found.get((step.name, step.calls)))
        shown.add_row(
            step.name,
            str(step.calls),
            f"{step.cpu:.2f}",
            "" if figures["costs"] is None else f"{figures['costs']:+.2f}",
            f"{figures['lag_p50_ms']:.1f} / {figures['lag_p95_ms']:.1f} / {figures['lag_max_ms']:.0f}",
            f"{step.own_ms:.1f}",
            ", ".join(f"{worker} {count:.0f}" for worker, count in step.asked().items()),
            ", ".join(f"{name} {count}" for name, count in step.dropped().items()) or "nothing",
            "yes" if step.holds else "no",
        )
    return shown
