"""Where everything of a call stands on the console's time line. Numbers only: a template draws them.

words of the caller        turns as bars, a tick for each partial transcript
his voice
the answer's wait          from his last word to the agent's first sound, by its parts
the agent's voice
words of the agent
what happened              barge-ins, backchannels, fillers ...; tools, keys, notes
marks                      sent (up), returned (down)
"""

from collections.abc import Iterable, Iterator

import msgspec

from pipelines.actions import CaptionUpdated, Observed, SendMark
from pipelines.analysis.analysis import Analysis, SpokenTurn
from pipelines.events import MarkReturned, NoteGiven
from pipelines.replay.dump import Dump
from pipelines.units import SECOND
from server.analysis.picture import Box, Picture, apart, clock, draw, width_of
from server.observe.timeline import LABELLED

_PER_SECOND = 24.0
_FILLS, _CLOSEST = 1_108.0, 60.0  # units: what a page on a desk has room for, and no more a second than this
_LETTER = 6.4  # units
_TITLE = 300  # characters of a tooltip
_TICKS = 5_000
PARTS = {
    "endpointing": "endpointing",
    "stt": "transcript",
    "first_token": "first token",
    "first_audio": "first audio",
    "playout": "playout",
}
"""Parts of a response gap, and what people call them."""


class Score(msgspec.Struct, frozen=True):
    """`scale`: units a second. `turns`: kind is the party; `waits`: kind is the part; `sent`, `returned`: places of marks."""

    picture: Picture
    scale: float
    turns: list[Box]
    partials: list[Box]
    waits: list[Box]
    facts: list[Box]
    sent: list[float]
    returned: list[float]


class Wait(msgspec.Struct, frozen=True):
    """A reply's response gap: `parts` as (name, seconds from its beginning, its length)."""

    at: float
    gap: float
    text: str
    parts: tuple[tuple[str, float, float], ...]


def score(analysis: Analysis, dump: Dump) -> Score:
    """Lay the call out. `dump` is the one that was analysed."""
    width = max(width_of(analysis.seconds, _PER_SECOND), min(_FILLS, analysis.seconds * _CLOSEST))
    scale = width / max(analysis.seconds, 1.0)

    def box(start: float, length: float, title: str, kind: str = "", label: str = "") -> Box:
        return Box(round(start * scale, 1), round(max(length * scale, 1.0), 1), label, title[:_TITLE], kind)

    def place(us: int) -> float:
        return round(us / SECOND * scale, 1)

    return Score(
        picture=draw(analysis, dump, width),
        scale=round(scale, 4),
        turns=[
            box(t.start, t.end - t.start, f"{clock(t.start)} {t.text}", t.party, _fitting(t, scale))
            for t in analysis.turns
        ],
        partials=[
            box(at / SECOND, 0, f"{clock(at / SECOND)} {caption.committed} | {caption.tentative}")
            for at, caption in _some(dump.actions(CaptionUpdated))
        ],
        waits=[
            box(wait.at - wait.gap + start, length, f"{PARTS.get(name, name)} {length * 1000:.0f} ms", name)
            for wait in waits(dump)
            for name, start, length in wait.parts
        ],
        facts=apart([box(at, 0, f"{clock(at)} {label}", "", label) for at, label in _facts(dump)], width),
        sent=[place(at) for at, _ in _some(dump.actions(SendMark))],
        returned=[place(at) for at, _ in _some(dump.events(MarkReturned))],
    )


def waits(dump: Dump) -> list[Wait]:
    """The response gaps, taken apart."""
    found = []
    for turn in dump.turns():
        if turn.gap is None:
            continue
        at, parts = 0.0, []
        for name, length in turn.parts.items():
            parts.append((name, round(at, 3), length))
            at += length
        found.append(Wait(turn.start, turn.gap, turn.text, tuple(parts)))
    return found


def _some(found: Iterable[tuple[int, object]]) -> Iterator[tuple[int, object]]:
    """As many as a page can show."""
    return (one for _, one in zip(range(_TICKS), found, strict=False))


def _facts(dump: Dump) -> Iterator[tuple[float, str]]:
    for step in dump.steps:
        if isinstance(step.event, NoteGiven):
            yield step.at / SECOND, "note"
        for action in step.actions:
            if isinstance(action, Observed) and action.fact in LABELLED:
                yield step.at / SECOND, LABELLED[action.fact]


def _fitting(turn: SpokenTurn, scale: float) -> str:
    """As much of its words as its bar holds."""
    room = int((turn.end - turn.start) * scale / _LETTER)
    text = turn.text[: room + 1]
    return text if len(text) <= room else f"{text[: max(room - 1, 0)]}…" if room > 3 else ""
