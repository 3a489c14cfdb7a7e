"""A scripted call as it is shown to people: line by line while it goes on, as a table when it is over."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from server.caller.report import HeardTurn, Report

_LATE_S = 0.05
_COLOURS = {"caller": "cyan", "agent": "green", "other": "magenta"}


def line_of(turn: HeardTurn) -> Text:
    """A turn, while the call goes on."""
    text = Text(f"{turn.start:6.2f}  ", style="dim")
    text.append(f"{turn.party:<7}", style=_COLOURS[turn.party])
    text.append_text(_words(turn))
    if turn.gap is not None or turn.ear_gap is not None:
        text.append(f"  gap {_seconds(turn.ear_gap)} in the ear, {_seconds(turn.gap)} by the server", style="dim")
        text.append(_parts(turn) and f" ({_parts(turn)})", style="dim")
    return text


def print_report(console: Console, report: Report) -> None:
    """Every turn with its gap in the caller's ear, by the server, and its parts; then the figures, files and
    failures."""
    table = Table(title=report.title, title_justify="left", header_style="bold")
    table.add_column("start", justify="right", no_wrap=True)
    table.add_column("party", no_wrap=True)
    table.add_column("words", overflow="fold")
    table.add_column("gap, ear", justify="right", no_wrap=True)
    table.add_column("server", justify="right", no_wrap=True)
    for turn in report.turns:
        words = _words(turn)
        if turn.parts:
            words.append(f"\n{_parts(turn)}", style="dim")
        party = Text(turn.party, style=_COLOURS[turn.party])
        table.add_row(f"{turn.start:.2f}", party, words, _seconds(turn.ear_gap), _seconds(turn.gap))
    console.print(table)
    for line in _figures(report):
        console.print(line, soft_wrap=True)
    for name, path in report.files.items():
        console.print(Text(f"{name}: {path}"), soft_wrap=True)
    for failure in report.failures:
        console.print(Text(f"✗ {failure}", style="bold red"), soft_wrap=True)
    if not report.failures:
        console.print(Text("✓ the agent heard, answered and yielded as it should", style="bold green"), soft_wrap=True)


def _figures(report: Report) -> list[str]:
    lines = [f"words misheard: {report.errors:.1%}"]
    gaps = sorted(turn.ear_gap for turn in report.turns if turn.ear_gap is not None)
    if gaps:
        lines.append(f"response gap in the ear: median {gaps[len(gaps) // 2]:.2f} s, longest {gaps[-1]:.2f} s")
    if report.yields:
        spoken = ", ".join("never" if seconds is None else f"{seconds:.2f} s" for seconds in report.yields)
        lines.append(f"silent after the caller's first word over the agent: {spoken}")
    if report.lateness > _LATE_S:
        lines.append(f"the caller's own audio left up to {report.lateness:.2f} s late: this machine was busy")
    return lines


def _words(turn: HeardTurn) -> Text:
    if not turn.interrupted:
        return Text(turn.text)
    text = Text(turn.heard)
    text.append(" — ", style="bold yellow")
    text.append(turn.text.removeprefix(turn.heard).strip(), style="dim strike")
    return text


def _seconds(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f} s"


def _parts(turn: HeardTurn) -> str:
    return ", ".join(f"{name} {seconds:.2f}" for name, seconds in turn.parts.items())
