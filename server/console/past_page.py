"""One recorded call as a page, and two runs of one call side by side. Drawn in the child of `workshop.py`."""

from collections.abc import Mapping

import msgspec

from pipelines.actions import CaptionUpdated, TurnTaken
from pipelines.analysis.analysis import Analysis, SpokenTurn
from pipelines.analysis.analyze import gaps
from pipelines.events import NoteGiven
from pipelines.replay.diff import side_by_side
from pipelines.replay.dump import Dump
from pipelines.turns.policy import CallSettings
from pipelines.units import MS, SECOND, to_seconds
from server.analysis.page import Line, lines
from server.console.pages import masked, page
from server.console.score import PARTS, score, waits

_DEFAULTS = CallSettings()
SETTINGS = tuple(
    (f"{name}_ms", label, f"{getattr(_DEFAULTS, name + '_us') // MS} ms")
    for name, label in (
        ("endpoint", "End of turn"),
        ("endpoint_sure", "... that is sure"),
        ("endpoint_unsure", "... that is not"),
        ("interruption", "Interruption"),
        ("min_silence", "Pause"),
        ("opener_after", "Opener after"),
        ("filler_after", "Filler after"),
    )
)
"""Fields of a replay's form: (key, what it is called, what it is by default)."""

_CAPTIONS = 200  # of one turn
_LINES = 2_000


class Heard(msgspec.Struct, frozen=True):
    """What was taken for a caller's words at a moment: `committed` was sure."""

    at: float
    committed: str
    tentative: str


class Said(msgspec.Struct, frozen=True):
    """A line of the transcript, with the partial transcripts that led to it; or a note of an operator's."""

    at: float
    line: Line | None = None
    partials: tuple[Heard, ...] = ()
    note: str = ""


def call_page(name: str, dump: Dump, analysis: Analysis, told: Mapping[str, object]) -> str:
    """`name`: of its folder; `told`: who looks, and what may be replayed with."""
    found = waits(dump)
    return page(
        "call.html.j2",
        name=name,
        caller=masked(dump.meta.caller, dump.meta.carrier),
        called=masked(dump.meta.called) if dump.meta.called else "",
        version=dump.meta.allo,
        call=analysis,
        score=score(analysis, dump),
        said=_said(dump, analysis)[:_LINES],
        waits=found,
        longest=max((wait.gap for wait in found), default=0.0),
        part_names=PARTS,
        settings=SETTINGS,
        **told,
    )


def versus_page(before: tuple[Dump, Analysis], after: tuple[Dump, Analysis], told: Mapping[str, object]) -> str:
    """Two runs of a call. `told`: the name of its folder, and what is other in the second."""
    sides = [
        (title, analysis, score(analysis, dump), gaps([t.gap for t in dump.turns() if t.gap is not None]))
        for title, (dump, analysis) in (("As it was", before), ("Replayed", after))
    ]
    pairs = side_by_side(before[0].turns(), after[0].turns())[:_LINES]
    return page("versus.html.j2", call=before[1], sides=sides, pairs=pairs, part_names=PARTS, **told)


def _said(dump: Dump, analysis: Analysis) -> list[Said]:
    partials = _partials(dump)
    said = [
        Said(line.at, line, partials.get(_key(line.turn), ()) if line.turn is not None else ())
        for line in lines(analysis)
    ]
    said += [Said(to_seconds(at), note=event.text) for at, event in dump.events(NoteGiven)]
    return sorted(said, key=lambda one: one.at)


def _key(turn: SpokenTurn) -> tuple[str, float, float]:
    return turn.party, turn.start, turn.end


def _partials(dump: Dump) -> dict[tuple[str, float, float], tuple[Heard, ...]]:
    """Partial transcripts of each of the caller's turns."""
    found: dict[tuple[str, float, float], tuple[Heard, ...]] = {}
    heard: list[Heard] = []
    for step in dump.steps:
        for action in step.actions:
            if isinstance(action, CaptionUpdated):
                heard.append(Heard(round(step.at / SECOND, 2), action.committed, action.tentative))
            elif isinstance(action, TurnTaken) and action.turn.party == "caller":
                found["caller", action.turn.start, action.turn.end] = tuple(heard[-_CAPTIONS:])
                heard = []
    return found
