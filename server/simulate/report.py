"""What came of a suite: for people on the terminal, as JSON, and as one HTML file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median

import jinja2
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.simulate.rules import Run, kept


class Row(msgspec.Struct, frozen=True):
    """A scenario over all its runs. `broken`: rules that were broken at least once, and how often."""

    name: str
    language: str
    passed: int
    runs: int
    broken: dict[str, int]


def rows(runs: Sequence[Run]) -> Iterator[Row]:
    """One for each scenario, in the order in which they were played."""
    for name in dict.fromkeys(run.scenario for run in runs):
        own = [run for run in runs if run.scenario == name]
        broken: dict[str, int] = {}
        for run in own:
            rules = {verdict.rule for verdict in run.verdicts if not verdict.passed} | ({run.fault} - {""})
            for rule in sorted(rules):
                broken[rule] = broken.get(rule, 0) + 1
        yield Row(name, own[0].language, sum(run.passed for run in own), len(own), broken)


def show(runs: Sequence[Run], console: Console) -> None:
    """A table of scenarios, one of rules, a line."""
    table = Table("scenario", "", "passed", "broken rules")
    for row in rows(runs):
        style = "green" if row.passed == row.runs else "red" if not row.passed else "yellow"
        broken = "\n".join(f"{rule} ({count}x)" if row.runs > 1 else rule for rule, count in row.broken.items())
        table.add_row(row.name, row.language, Text(f"{row.passed}/{row.runs}", style), Text(broken))
    console.print(table)
    parts = [f"{kind} {good}/{of}" for kind, good, of in _kinds(runs)]
    console.print(Text(f"rules kept: {', '.join(parts)}"), soft_wrap=True)
    if seconds := [exchange.first_s for run in runs for exchange in run.exchanges if exchange.first_s]:
        console.print(
            Text(f"to the first word or tool: median {median(seconds):.2f} s, longest {max(seconds):.2f} s"),
            soft_wrap=True,
        )
    console.print(Text(summary(runs), "green" if all(run.passed for run in runs) else "bold red"), soft_wrap=True)


def _kinds(runs: Sequence[Run]) -> list[tuple[str, int, int]]:
    return list(kept([verdict for run in runs for verdict in run.verdicts]))


def summary(runs: Sequence[Run]) -> str:
    """One line."""
    passed = sum(run.passed for run in runs)
    scenarios = list(rows(runs))
    always = sum(row.passed == row.runs for row in scenarios)
    return f"{passed} of {len(runs)} runs passed; {always} of {len(scenarios)} scenarios in every run"


def as_json(runs: Sequence[Run]) -> bytes:
    """Everything: each run with its words, tools and verdicts."""
    told = {
        "passed": sum(run.passed for run in runs),
        "of": len(runs),
        "scenarios": [msgspec.to_builtins(row) for row in rows(runs)],
        "rules": {kind: {"kept": good, "of": of} for kind, good, of in _kinds(runs)},
        "runs": [{**msgspec.to_builtins(run), "passed": run.passed} for run in runs],
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2) + b"\n"


def page(runs: Sequence[Run], title: str) -> str:
    """One HTML file that needs nothing else, and in which every word is escaped."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    template = environment.get_template("report.html.j2")
    return template.render(title=title, runs=runs, rows=list(rows(runs)), kinds=_kinds(runs), summary=summary(runs))
