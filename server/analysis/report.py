"""An analysis on a terminal: as a page of text, or as one line."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from pipelines.analysis.analysis import Analysis, Finding, SpokenTurn
from pipelines.analysis.speakers import is_other, names
from server.analysis.page import OUTCOMES, is_murmur
from server.analysis.picture import clock


def report(analysis: Analysis) -> RenderableType:
    """All of it, for people."""
    facts = Table.grid(padding=(0, 2))
    for name, value in _facts(analysis):
        facts.add_row(Text(name, style="dim"), Text(_plain(value)))
    parts: list[RenderableType] = [facts]
    if analysis.findings is not None:
        parts += [Text(), Text(_plain(analysis.findings.summary), style="bold")]
        fields = Table.grid(padding=(0, 2))
        for name, finding in analysis.findings.fields.items():
            fields.add_row(Text(name, style="dim"), *_finding(finding))
        parts.append(fields)
    elif analysis.findings_missing:
        parts.append(Text(f"no summary: {_plain(analysis.findings_missing)}", style="dim"))
    transcript = Table.grid(padding=(0, 2))
    for turn in analysis.turns:
        name = turn.speaker or turn.party
        style = "magenta" if is_other(turn) else "cyan" if turn.party == "caller" else "yellow"
        transcript.add_row(Text(clock(turn.start), style="dim"), Text(_plain(name), style=style), _words(turn))
    return Group(*parts, Text(), transcript)


def line(analysis: Analysis, folder: str) -> str:
    """One call in one line."""
    talk, gaps = analysis.talk, analysis.gaps
    gap = f"gap {_ms(gaps.median)}" if gaps.median is not None else "no answers"
    return _plain(
        f"{folder}  {clock(analysis.seconds)}  {len(analysis.turns)} turns  caller {talk['caller'].share:.0%}  {gap}  "
        f"{len(analysis.interruptions)} interruptions  {len(analysis.overlaps)} overlaps  {len(analysis.silences)} silences  "
        f"{analysis.outcome or 'incomplete'}"
    )


def _facts(analysis: Analysis) -> list[tuple[str, str]]:
    talk, gaps = analysis.talk, analysis.gaps
    incomplete = "" if analysis.complete else "; the recording is incomplete"
    facts = [
        ("call", f"{analysis.agent}, {analysis.call_id}, {analysis.started:%Y-%m-%d %H:%M:%S} UTC"),
        ("length", f"{clock(analysis.seconds)}, {OUTCOMES.get(analysis.outcome, analysis.outcome)}{incomplete}"),
    ]
    if (known := analysis.known_caller) is not None:
        facts.append(
            ("known caller", f"{known.name}, by his voice: {known.score:.2f}, from {known.threshold:.2f}; no proof")
        )
    if len(speakers := names(analysis.speakers)) > 1:
        facts.append(("on the caller's line", ", ".join(speakers)))
    if analysis.answered:
        facts.append(("answered by", analysis.answered))
    facts.append(("talk", ", ".join(f"{party} {t.share:.0%} ({t.seconds:.1f} s)" for party, t in talk.items())))
    if gaps.median is not None:
        facts.append(
            (
                "response gap",
                f"median {_ms(gaps.median)}, 95 % {_ms(gaps.p95)}, longest {_ms(gaps.longest)} of {gaps.answers}",
            )
        )
    for interruption in analysis.interruptions:
        yielded = "" if interruption.yielded_s is None else f", silent after {_ms(interruption.yielded_s)}"
        resumed = ", went on after a murmur" if interruption.resumed else ""
        facts.append(("interruption", f"{clock(interruption.at)} by the {interruption.by}{yielded}{resumed}"))
    for overlap in analysis.overlaps:
        murmur = ", a murmur" if is_murmur(overlap) else ""
        facts.append(
            (
                "overlap",
                f"{clock(overlap.start)} for {overlap.seconds:.1f} s, {overlap.came_in} came in{murmur}, {overlap.floor} had the floor",
            )
        )
    for silence in analysis.silences:
        facts.append(
            ("silence", f"{clock(silence.start)} for {silence.seconds:.1f} s after {silence.after or 'the beginning'}")
        )
    if analysis.keys:
        facts.append(("keys", " ".join(key.key for key in analysis.keys)))
    for tool in analysis.tools:
        facts.append(
            ("tool", f"{clock(tool.at)} {tool.tool} {tool.arguments} {tool.outcome} after {_ms(tool.seconds)}")
        )
    return facts


def _finding(finding: Finding) -> tuple[Text, Text]:
    if finding.value is not None:
        return Text(_plain(str(finding.value))), Text(f"“{_plain(finding.quote)}”", style="italic dim")
    return Text("not said" if not finding.left_out else f"left out: {finding.left_out}", style="dim"), Text()


def _words(turn: SpokenTurn) -> Text:
    words = Text(_plain(turn.heard or turn.text) + (" ‖" if turn.interrupted else ""))
    for reading in (turn.emotion, turn.sentiment):
        if reading is not None:
            words.append(f"  {_plain(reading.label)} {reading.p:.0%}", style="magenta")
    return words


def _ms(seconds: float | None) -> str:
    return "–" if seconds is None else f"{seconds * 1000:.0f} ms"


def _plain(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(char if char.isprintable() else " " for char in text)
