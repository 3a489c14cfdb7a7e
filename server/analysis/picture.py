"""Where things stand in the page's picture of a call: both voices on one time axis, feeling above them, events below. Numbers only; the page's
template draws them."""

from collections.abc import Callable

import msgspec
import numpy as np

from pipelines.analysis.analysis import Analysis
from pipelines.analysis.speakers import OTHER, names
from pipelines.replay.dump import Dump
from server.observe.listen import Samples, both_sides

_PER_SECOND = 16.0  # units; about a centimetre is two seconds
_NARROWEST, _WIDEST = 880.0, 12_000.0
_LETTER = 6.2  # units of a label's letter
_COLUMN = 2.0  # units of a wave's column
_AMPLITUDE = 36.0
_COLOURS = 4  # of others on the caller's line
_QUIET = 1_600  # a voice that never reaches this is drawn as quiet as it is


class Box(msgspec.Struct, frozen=True):
    """From `x`, `width` units wide. `label`: what is written on it, `over`: before `x`, for lack of room; `title`: what it is, in words; `kind`: how
    it looks."""

    x: float
    width: float
    label: str = ""
    title: str = ""
    kind: str = ""
    over: bool = False


class Bar(msgspec.Struct, frozen=True):
    """Sentiment of a turn: up for positive, down for negative, from -1 to 1."""

    x: float
    width: float
    height: float
    title: str


class Tick(msgspec.Struct, frozen=True):
    x: float
    label: str


class Picture(msgspec.Struct, frozen=True):
    """`caller_wave`, `agent_wave`: SVG paths around 0."""

    width: float
    caller_wave: str
    agent_wave: str
    ticks: list[Tick]
    speakers: list[Box]
    feelings: list[Box]
    sentiments: list[Bar]
    overlaps: list[Box]
    silences: list[Box]
    music: list[Box]
    interruptions: list[Box]
    events: list[Box]


def width_of(seconds: float, per_second: float = _PER_SECOND) -> float:
    """Units of a picture of so long a call."""
    return min(max(seconds * per_second, _NARROWEST), _WIDEST)


def draw(analysis: Analysis, dump: Dump, width: float | None = None) -> Picture:
    """Lay a call out. `dump` is the one that was analysed: its sound is drawn. `width`: units; default by its length."""
    seconds = max(analysis.seconds, 1.0)
    width = width or width_of(seconds)
    scale = width / seconds
    caller, agent, _ = both_sides(dump)

    def box(start: float, length: float, label: str = "", title: str = "", kind: str = "") -> Box:
        return Box(round(start * scale, 1), round(max(length * scale, 1.0), 1), label, title, kind)

    turns = [turn for turn in analysis.turns if turn.sentiment is not None]
    colours = speaker_colours(analysis)
    return Picture(
        width=round(width, 1),
        caller_wave=wave(caller, width),
        agent_wave=wave(agent, width),
        ticks=[Tick(round(at * scale, 1), clock(at)) for at in ticks(seconds, scale)],
        speakers=[
            box(s.start, s.end - s.start, "", f"{clock(s.start)} {s.speaker}", f"s{colours[s.speaker]}")
            for s in analysis.speakers
        ],
        feelings=[
            box(f.start, f.end - f.start, f.label, f"{clock(f.start)} {f.label}, {f.p:.0%}", f.label)
            for f in analysis.emotions
        ],
        sentiments=[
            Bar(
                round(turn.start * scale, 1),
                round(max((turn.end - turn.start) * scale, 3.0), 1),
                _height(turn.sentiment.label, turn.sentiment.p),
                f"{clock(turn.start)} {turn.sentiment.label}, {turn.sentiment.p:.0%}",
            )
            for turn in turns
        ],
        overlaps=[
            box(o.start, o.seconds, "", f"{clock(o.start)} both speak for {o.seconds:.1f} s; {o.floor} has the floor")
            for o in analysis.overlaps
        ],
        silences=[
            box(s.start, s.seconds, f"{s.seconds:.1f} s", f"{clock(s.start)} silence of {s.seconds:.1f} s")
            for s in analysis.silences
        ],
        music=[box(m.start, m.end - m.start, "♪", f"{clock(m.start)} hold music") for m in analysis.music],
        interruptions=apart(
            [
                box(
                    i.at,
                    0,
                    "agent cuts in" if i.by == "agent" else "interrupts",
                    f"{clock(i.at)} the {i.by} interrupts",
                )
                for i in analysis.interruptions
            ],
            width,
        ),
        events=apart(_events(analysis, box), width),
    )


def speaker_colours(analysis: Analysis) -> dict[str, int]:
    """For each who spoke on the caller's line the number of his colour: 0 the caller, others from 1 on, who share the last."""
    others = [name for name in names(analysis.speakers) if name.startswith(OTHER)]
    return {name: min(others.index(name) + 1, _COLOURS) if name in others else 0 for name in names(analysis.speakers)}


def _events(analysis: Analysis, box: Callable[..., Box]) -> list[Box]:
    tools = [
        box(t.at, t.seconds, t.tool, f"{clock(t.at)} {t.tool}: {t.outcome} after {t.seconds:.2f} s", t.outcome)
        for t in analysis.tools
    ]
    keys = [box(k.at, 0.1, k.key, f"{clock(k.at)} key {k.key} ({k.party})", "key") for k in analysis.keys]
    return [*tools, *keys]


def apart(boxes: list[Box], width: float) -> list[Box]:
    """Boxes whose labels do not run into each other: of those that would, the first is written. The last may end at the picture's edge."""
    out: list[Box] = []
    free = 0.0
    for box in sorted(boxes, key=lambda one: one.x):
        length = (len(box.label) + 1) * _LETTER
        over = box.x + length > width
        start = width - length if over else box.x
        label = box.label if start >= free else ""
        if label:
            free = start + length
        out.append(msgspec.structs.replace(box, label=label, over=over))
    return out


def _height(label: str, p: float) -> float:
    return {"positive": p, "negative": -p}.get(label, 0.0)


def wave(samples: Samples, width: float) -> str:
    """The envelope as a closed path: highest and lowest sample of each column."""
    columns = min(int(width / _COLUMN), len(samples))
    if not columns:
        return ""
    edges = np.linspace(0, len(samples), columns, endpoint=False).astype(int)
    loudest = max(int(np.abs(samples.astype(np.int32)).max()), _QUIET)
    high = np.maximum.reduceat(samples, edges) / loudest * -_AMPLITUDE
    low = np.minimum.reduceat(samples, edges) / loudest * -_AMPLITUDE
    places = np.linspace(0, width, columns, endpoint=False)
    upper = [f"{x:.0f},{y:.1f}" for x, y in zip(places, high, strict=True)]
    lower = [f"{x:.0f},{y:.1f}" for x, y in zip(places[::-1], low[::-1], strict=True)]
    return f"M{'L'.join([*upper, *lower])}Z"


def ticks(seconds: float, scale: float) -> list[float]:
    """Seconds at which the axis has a number, 60 units apart or more."""
    step = next((step for step in (1, 2, 5, 10, 30, 60, 300) if step * scale >= 60), 900)
    return [float(at) for at in range(0, int(seconds) + 1, step)]


def clock(seconds: float) -> str:
    """A time of the call as m:ss."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
