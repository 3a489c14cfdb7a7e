"""A regression suite's outcome, for people and for programs."""

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipelines.analysis.compare import MEASURES, Change, Measures, changes
from server.replay_suite import Compared, Outcome

_WORDS = {
    "gap": "gap, median",
    "longest_gap": "gap, longest",
    "words": "words changed",
    "cut_off": "turns cut off",
    "joined": "... and joined",
    "false_interruptions": "false interruptions",
    "drafts": "drafts",
    "drafts_dropped": "drafts dropped",
}
_LESS_IS_BETTER = {"gap", "longest_gap", "cut_off", "joined", "false_interruptions", "drafts_dropped", "apologies"}
_PAPER = 160  # characters
_NONE = Change("", None, None)


def show(outcome: Outcome, console: Console) -> None:
    """The calls that changed, with the figures that did; a summary of one line."""
    if not console.is_terminal:
        console = Console(width=_PAPER, highlight=False)  # a log has no edge
    shown = [call for call in outcome.calls if call.differs or call.changes or call.error]
    columns = [name for name in MEASURES if any(change.measure == name for call in shown for change in call.changes)]
    if columns:
        table = Table("call", *(_WORDS.get(name, name.replace("_", " ")) for name in columns), show_footer=True)
        totals = {change.measure: change for change in changes(outcome.before, outcome.after)}
        table.columns[0].footer, table.columns[0].no_wrap = "all calls", True
        for name, column in zip(columns, table.columns[1:], strict=True):
            column.footer = _cell(totals.get(name, _NONE)) if name != "ended" else Text()
        for call in shown:
            by_name = {change.measure: change for change in call.changes}
            if by_name:
                table.add_row(call.dump, *(_cell(by_name.get(name, _NONE)) for name in columns))
        console.print(table)
    for call in shown:
        if call.error or call.difference:
            console.print(f"{call.dump}: {call.error or call.difference}", markup=False, soft_wrap=True)
    console.print(Text(summary(outcome), style=("green", "yellow", "bold red")[outcome.status]), soft_wrap=True)


def summary(outcome: Outcome) -> str:
    """One line."""
    calls = len(outcome.calls)
    parts = [f"{calls} call{'' if calls == 1 else 's'}, {outcome.before.seconds:.0f} s: {outcome.same} the same"]
    parts += [f"{outcome.changed} changed"] if outcome.changed else []
    parts += [f"{outcome.failed} could not be replayed"] if outcome.failed else []
    line = ", ".join(parts)
    guessed: dict[str, int] = {}
    for call in outcome.calls:
        for what, count in call.guessed.items():
            guessed[what] = guessed.get(what, 0) + count
    if guessed:
        line += f" (not in the recordings, guessed: {', '.join(f'{count} {what}' for what, count in guessed.items())})"
    return line


def _cell(change: Change) -> Text:
    if not change.measure:
        return Text()
    if change.measure == "words":
        return Text(str(change.after), style="yellow")
    before, after = (_figure(value, change.measure) for value in (change.before, change.after))
    style = "yellow"
    if change.measure in _LESS_IS_BETTER and change.before is not None and change.after is not None:
        style = "red" if change.after > change.before else "green"
    return Text(f"{before} → {after}", style=style)


def _figure(value: float | str | None, measure: str) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.2f}" if measure.endswith("gap") else str(value)


def as_json(outcome: Outcome) -> dict[str, object]:
    """Everything that is known of it. The figures are those of `Measures`, and the median gap."""
    return {
        "calls": [_call(call) for call in outcome.calls],
        "same": outcome.same,
        "changed": outcome.changed,
        "failed": outcome.failed,
        "before": _measures(outcome.before),
        "after": _measures(outcome.after),
    }


def _call(call: Compared) -> dict[str, object]:
    told = {"dump": call.dump, "call_id": call.call_id, "same": not call.differs and not call.error}
    if call.error:
        return {**told, "error": call.error}
    return {
        **told,
        "before": _measures(call.before),
        "after": _measures(call.after),
        "changes": msgspec.to_builtins(call.changes),
        "difference": call.difference,
        "guessed": call.guessed,
    }


def _measures(measures: Measures) -> dict[str, object]:
    return {"gap": measures.gap, **msgspec.to_builtins(measures)}
