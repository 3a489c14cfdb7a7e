"""A recorded call as a picture: both voices on one time axis, who said what, and where the time went.

Read like sheet music: rows of at most 30 seconds, each with the caller above and the agent below. Colours are those of
Okabe and Ito (2008), which stay apart for every kind of colour vision; nothing is told by colour alone.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from itertools import product, zip_longest
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from pipelines.actions import CaptionUpdated, ClearMedia, Observed, SendMark, Turn
from pipelines.analysis.exchange import tools
from pipelines.events import DigitReceived, MarkReturned
from pipelines.replay.dump import Dump
from pipelines.units import SECOND
from server.observe.lettering import Lettering
from server.observe.listen import Samples, both_sides

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_S = 30.0
_MAX_ROWS = 12  # six minutes; longer calls get longer rows
_ROW_INCHES, _WIDTH_INCHES = 3.7, 16.0

CALLER, AGENT, OVERLAP, TOOL = "#0072B2", "#D55E00", "#CC79A7", "#009E73"
_INK, _FAINT, _PAPER = "#222222", "#8A8A8A", "#FFFFFF"
_PARTS = {
    "endpointing": ("#56B4E9", "endpointing"),
    "stt": ("#0072B2", "transcript"),
    "first_token": ("#E69F00", "first token"),
    "first_audio": ("#009E73", "first audio"),
    "playout": ("#999999", "playout"),
}
_KEY = (
    "shaded: both speak",
    "‖ heard up to here",
    "ticks on a caller's bar: partial transcripts",
    "events: marks sent (up), returned (down)",
)
_OTHER = "#CC79A7"  # a part this version does not know

# heights of a row's lanes, from top to bottom
_TOP, _CALLER_TEXT, _CALLER_WAVE, _GAP, _AGENT_WAVE, _AGENT_TEXT, _LABELS, _NOTES, _BOTTOM = (
    3.4, 2.2, 1.2, 0.0, -1.2, -2.2, -3.62, -4.1, -4.4,
)  # fmt: skip
_LEFT, _RIGHT = 0.065, 0.985


class _Span(msgspec.Struct, frozen=True):
    start: float
    end: float
    label: str = ""


def write_picture(dump: Dump, path: Path) -> None:
    """Draw the call into `path`, a PNG. Raises OSError when it cannot be written."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure = draw(dump)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, facecolor=_PAPER)


def draw(dump: Dump) -> "Figure":
    """The picture as a matplotlib figure; needs no display."""
    from matplotlib.figure import Figure

    caller, agent, rate = both_sides(dump)
    seconds = max(dump.duration_us / SECOND, 1.0)
    rows = min(_MAX_ROWS, math.ceil(seconds / ROW_S))
    row_s = seconds / rows
    turns = dump.turns()
    answers = [turn for turn in turns if turn.gap is not None]
    gaps_inches = 0.9 + 0.27 * len(answers) if answers else 0.0
    height = 1.0 + rows * _ROW_INCHES + gaps_inches
    figure = Figure(figsize=(_WIDTH_INCHES, height))
    heights = [_ROW_INCHES] * rows + ([gaps_inches] if answers else [])
    grid = figure.add_gridspec(
        len(heights),
        1,
        height_ratios=heights,
        left=_LEFT,
        right=_RIGHT,
        top=1 - 0.75 / height,
        bottom=(0.55 if answers else 0.45) / height,
        hspace=0.16,
    )
    letters = Lettering(figure)
    _title(figure, dump, turns, height, letters)
    for row in range(rows):
        axes = figure.add_subplot(grid[row])
        start = row * row_s
        _row(axes, dump, turns, (caller, agent, rate), start, start + row_s, letters)
    if answers:
        _gaps(figure.add_subplot(grid[rows]), answers)
    return figure


def _title(figure: "Figure", dump: Dump, turns: Sequence[Turn], height: float, letters: Lettering) -> None:
    meta = dump.meta
    gaps = [turn.gap for turn in turns if turn.gap is not None]
    facts = [f"{dump.duration_us / SECOND:.1f} s", f"{len(turns)} turns"]
    if gaps:
        facts.append(f"median response gap {_ms(median(gaps))}")
    if not dump.complete:
        facts.append("recording incomplete")
    first, second = 1 - 0.28 / height, 1 - 0.56 / height
    name = f"{meta.agent}  ·  {meta.call_id}"
    letters.keep(figure.text(_LEFT, first, name, size=14, weight="bold", color=_INK, va="center"))
    wire = f"{meta.carrier}, {meta.inbound.encoding} {meta.inbound.sample_rate} Hz"
    about = "  ·  ".join([f"{meta.started:%Y-%m-%d %H:%M:%S} UTC", wire, *facts])
    letters.keep(figure.text(_LEFT, second, about, size=10, color=_FAINT, va="center"))
    keys = ["  ·  ".join(_KEY[:n]) for n in range(len(_KEY), 0, -1)]
    for key, y in product(keys, (first, second)):  # after a long name there is room below
        if letters.keep(figure.text(_RIGHT, y, key, size=9, color=_FAINT, va="center", ha="right")):
            break


# ---- one row


def _row(
    axes: "Axes",
    dump: Dump,
    turns: Sequence[Turn],
    sound: tuple[Samples, Samples, int],
    start: float,
    end: float,
    letters: Lettering,
) -> None:
    caller, agent, rate = sound
    axes.set_xlim(start, end)
    axes.set_ylim(_BOTTOM, _TOP)
    axes.set_yticks([_CALLER_WAVE, _AGENT_WAVE, _NOTES], ["caller", "agent", "events"])
    for label, colour in zip(axes.get_yticklabels(), (CALLER, AGENT, _FAINT), strict=True):
        label.set(color=colour, size=11, weight="bold")
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", colors=_FAINT, labelsize=9)
    axes.set_xticks(_ticks(start, end))
    axes.xaxis.set_major_formatter(lambda value, _: f"{int(value) // 60}:{int(value) % 60:02d}")
    axes.grid(axis="x", color="#EBEBEB", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#CCCCCC")

    _wave(axes, caller, rate, start, end, _CALLER_WAVE, CALLER)
    _wave(axes, agent, rate, start, end, _AGENT_WAVE, AGENT)
    for overlap in _overlaps(turns):
        axes.axvspan(overlap.start, overlap.end, ymin=0.18, ymax=0.85, color=OVERLAP, alpha=0.28, linewidth=0)
    for agents in (False, True):
        own = [turn for turn in turns if (turn.party == "agent") is agents and turn.end > turn.start]
        for turn, following in zip_longest(own, own[1:]):
            _turn(axes, turn, start, end, following.start if following else math.inf, letters)
    _captions(axes, dump, start, end)
    _notes(axes, dump, start, end, letters)


def _ticks(start: float, end: float) -> list[float]:
    step = next((step for step in (1, 2, 5, 10, 30) if (end - start) / step <= 16), 60)
    return list(np.arange(np.ceil(start / step) * step, end + 1e-6, step))


def _wave(axes: "Axes", samples: Samples, rate: int, start: float, end: float, middle: float, colour: str) -> None:
    """Envelope: lowest and highest sample of every column of pixels."""
    piece = samples[int(start * rate) : int(end * rate)].astype(np.float32) / 32_768
    axes.axhline(middle, color=colour, linewidth=0.5, alpha=0.5)
    if not len(piece):
        return
    peak = max(float(np.abs(samples).max()) / 32_768, 0.05)
    columns = min(len(piece), 1_800)
    edges = np.linspace(0, len(piece), columns, endpoint=False).astype(int)
    low, high = np.minimum.reduceat(piece, edges), np.maximum.reduceat(piece, edges)
    times = start + edges / rate
    axes.fill_between(
        times, middle + low / peak * 0.85, middle + high / peak * 0.85, color=colour, linewidth=0.3, alpha=0.85
    )


def _overlaps(turns: Sequence[Turn]) -> Iterator[_Span]:
    """Where both parties speak at once."""
    for one in turns:
        for other in turns:
            if one.party == "caller" and other.party == "agent":
                start, end = max(one.start, other.start), min(one.end, other.end)
                if start < end:
                    yield _Span(start, end)


def _turn(axes: "Axes", turn: Turn, start: float, end: float, following: float, letters: Lettering) -> None:
    """One turn's bar and words, which may run as far as the same party's next turn."""
    left, right = max(turn.start, start), min(turn.end, end)
    if left >= right:
        return
    caller = turn.party != "agent"
    middle, colour, va = (_CALLER_TEXT, CALLER, "bottom") if caller else (_AGENT_TEXT, AGENT, "top")
    if turn.party == "other":
        colour = _FAINT
    axes.plot([left, right], [middle, middle], color=colour, linewidth=3, solid_capstyle="butt")
    middle += 0.1 if caller else -0.1
    if turn.gap is not None and turn.start >= start:
        _gap(axes, max(turn.start - turn.gap, start), turn.start, turn.gap, letters)
    if not start <= (turn.start + turn.end) / 2 < end:  # its words are in the row that has most of it
        letters.caption(axes, left, middle, "…", 0, colour=colour, va=va)
        return
    scale = _WIDTH_INCHES * (_RIGHT - _LEFT) / (end - start)
    inches = min(max((right - left) * scale, 1.3), (following - left) * scale - 0.1)
    text = turn.text
    if turn.interrupted and text.startswith(turn.heard) and len(turn.heard) < len(text):
        text = f"{turn.heard} ‖ {text[len(turn.heard) :].strip()}"
    letters.caption(axes, left, middle, text, inches, colour=colour, va=va)


def _gap(axes: "Axes", start: float, end: float, gap: float, letters: Lettering) -> None:
    """The silence between the caller's last word and the agent's first, as a bracket."""
    axes.annotate(
        "",
        (end, _GAP),
        (start, _GAP),
        arrowprops={"arrowstyle": "|-|,widthA=0.35,widthB=0.35", "color": _INK, "lw": 1.1},
    )
    number = axes.text(
        (start + end) / 2,
        _GAP + 0.14,
        _ms(gap),
        size=9.5,
        weight="bold",
        color=_INK,
        ha="center",
        va="bottom",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": _PAPER, "edgecolor": "none", "alpha": 0.85},
    )
    letters.keep(number)


def _captions(axes: "Axes", dump: Dump, start: float, end: float) -> None:
    """A tick for every partial transcript: how early the words were known."""
    times = _within(dump.actions(CaptionUpdated), start, end)
    axes.plot(times, [_CALLER_TEXT] * len(times), linestyle="none", marker="|", markersize=9, color=CALLER)


def _within(found: Iterable[tuple[int, object]], start: float, end: float) -> list[float]:
    """Times in seconds of what lies in a row."""
    return [at / SECOND for at, _ in found if start <= at / SECOND < end]


def _notes(axes: "Axes", dump: Dump, start: float, end: float, letters: Lettering) -> None:
    """Marks, tools, keys and interruptions, below the voices."""
    axes.axhline(_NOTES, color="#DDDDDD", linewidth=0.8)
    for found, up in ((dump.actions(SendMark), 0.13), (dump.events(MarkReturned), -0.13)):
        times = _within(found, start, end)
        axes.vlines(times, _NOTES, _NOTES + up, color=_FAINT, linewidth=1.2)
    labels: list[tuple[float, str, str, str]] = []  # second, words, colour, weight
    for tool in _tools(dump):
        if tool.start < end and tool.end > start:
            left = max(tool.start, start)
            axes.barh(_NOTES, min(tool.end, end) - left, left=left, height=0.3, color=TOOL, zorder=3)
            labels.append((left, f"tool {tool.label}", TOOL, "normal"))
    for at, event in dump.events(DigitReceived):
        labels.append((at / SECOND, f"key {event.digit}", _INK, "normal"))
    for at, action in dump.actions(Observed):
        if start <= at / SECOND < end and action.fact in LABELLED:
            axes.plot([at / SECOND] * 2, [_LABELS + 0.15, _GAP], color=_INK, linewidth=0.9, linestyle=(0, (3, 2)))
            labels.append((at / SECOND, LABELLED[action.fact], _INK, "bold"))
    for at, words, colour, weight in sorted(labels):
        if start <= at < end:  # where they crowd, the first is written: the lines are there for all
            letters.caption(axes, at, _LABELS, words, 0, colour=colour, weight=weight, whole=True)
    times = _within(dump.actions(ClearMedia), start, end)
    axes.vlines(times, _AGENT_WAVE - 0.9, _AGENT_WAVE + 0.9, color=_INK, linewidth=1.6)


LABELLED = {
    "barge_in": "barge-in",
    "backchannel": "backchannel",
    "false_interruption": "false interruption",
    "filler": "filler",
    "opener": "opener",
    "apology": "apology",
    "turn_limit": "turn limit",
    "call_limit": "call limit",
    "silence_prompt": "silence",
}


def _tools(dump: Dump) -> Iterator[_Span]:
    """Tool calls; one that never finished ends with the call."""
    for call in tools(dump):
        label = call.tool if call.outcome == "finished" else f"{call.tool} {call.outcome}"
        yield _Span(call.at, call.at + call.seconds, label)


# ---- where the gaps come from


def _gaps(axes: "Axes", answers: Sequence[Turn]) -> None:
    seen: dict[str, str] = {}
    for place, turn in enumerate(answers):
        left = 0.0
        for name, length in turn.parts.items():
            colour, label = _PARTS.get(name, (_OTHER, name))
            seen[label] = colour
            axes.barh(place, length, left=left, height=0.62, color=colour, edgecolor=_PAPER, linewidth=1)
            left += length
        axes.text(
            max(left, turn.gap) + 0.01, place, f" {_ms(turn.gap)}", va="center", size=9, weight="bold", color=_INK
        )
    axes.set_yticks(range(len(answers)), [f"at {turn.start:.1f} s" for turn in answers])
    axes.invert_yaxis()
    axes.set_xlim(0, max(turn.gap for turn in answers) * 1.25)
    axes.set_xlabel("response gap, seconds", color=_FAINT, size=9, loc="left")
    axes.tick_params(colors=_FAINT, labelsize=9, length=0)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color("#CCCCCC")
    from matplotlib.patches import Patch

    handles = [Patch(color=colour, label=label) for label, colour in seen.items()]
    axes.figure.legend(
        handles=handles, loc="lower right", bbox_to_anchor=(_RIGHT, 0), ncols=len(handles), frameon=False, fontsize=9
    )


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
