"""An analysis as one HTML file that needs nothing else: no script, no font, no picture from outside. What parties said may be anything: the
template escapes every word."""

import re
from pathlib import Path

import jinja2
import msgspec

from pipelines.analysis.analysis import Analysis, Overlap, Silence, SpokenTurn, ToolCall
from pipelines.replay.dump import Dump
from server.analysis.picture import clock, draw, speaker_colours

_LONG_SILENCE_S = 2.0  # is a line of the transcript

OUTCOMES = {
    "caller": "the caller hung up",
    "agent": "the agent hung up",
    "operator": "an operator hung up",
    "transfer": "handed to a person",
    "silence": "nobody spoke any more",
    "limit": "the longest time a call may last was over",
    "failed": "a model failed",
    "lost": "the line broke",
    "refused": "the line was refused",
    "shutdown": "the server stopped",
    "": "the recording does not say how it ended",
}


class Line(msgspec.Struct, frozen=True):
    """A line of the transcript: one of these."""

    at: float
    turn: SpokenTurn | None = None
    unheard: str = ""
    tool: ToolCall | None = None
    silence: Silence | None = None


def render(analysis: Analysis, dump: Dump) -> str:
    """The page. `dump` is the one that was analysed: the picture shows its sound."""
    return (
        environment(Path(__file__).parent)
        .get_template("page.html.j2")
        .render(
            call=analysis,
            picture=draw(analysis, dump),
            lines=lines(analysis),
            colours=speaker_colours(analysis),
            outcome=OUTCOMES.get(analysis.outcome, analysis.outcome),
            overlapped=sum(overlap.seconds for overlap in analysis.overlaps),
            silent=sum(silence.seconds for silence in analysis.silences),
            murmurs=[overlap for overlap in analysis.overlaps if is_murmur(overlap)],
        )
    )


def environment(templates: Path) -> jinja2.Environment:
    """For templates of a folder: every word is escaped, and shows what it is."""
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters.update(clock=clock, ms=_ms, percent=lambda share: f"{share:.0%}", value=_value)
    return made


_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that show nothing, and those that turn the direction of whatever follows."""


def _shown(value: object) -> object:
    return _UNSEEN.sub(" ", value) if type(value) is str else value  # what is marked up already is the template's own


def is_murmur(overlap: Overlap) -> bool:
    """Whether the agent spoke on over it."""
    return overlap.taken_for in ("backchannel", "false_interruption")


def lines(analysis: Analysis) -> list[Line]:
    """The transcript with what happened between the words, in order of time."""
    found = [Line(turn.start, turn=turn, unheard=_unheard(turn)) for turn in analysis.turns]
    found += [Line(tool.at, tool=tool) for tool in analysis.tools]
    found += [Line(s.start, silence=s) for s in analysis.silences if s.seconds >= _LONG_SILENCE_S]
    return sorted(found, key=lambda line: line.at)


def _unheard(turn: SpokenTurn) -> str:
    """What was left of an agent's turn when it was cut."""
    if not turn.interrupted:
        return ""
    return turn.text[len(turn.heard) :].strip() if turn.text.startswith(turn.heard) else turn.text


def _ms(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


def _value(value: object) -> str:
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
