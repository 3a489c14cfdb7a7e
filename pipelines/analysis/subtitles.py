"""A call's transcript in the forms that players and annotators read: SubRip, WebVTT, Praat's TextGrid. Pure; times count from the call's start."""

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence

import msgspec

from pipelines.analysis.analysis import Analysis, SpokenTurn

_LINE = 84  # characters that a caption has at most
_SHORTEST_S = 0.8  # a caption that is shorter cannot be read
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")


class Cue(msgspec.Struct, frozen=True):
    """Words of one party, seconds."""

    start: float
    end: float
    party: str
    text: str


def said(turn: SpokenTurn) -> str:
    """What of the turn was to be heard, on one line; an agent who was cut off ends in a dash."""
    words = " ".join(_CONTROL.sub(" ", turn.heard or turn.text).split())
    return f"{words} —" if turn.interrupted else words


def cues(turns: Iterable[SpokenTurn]) -> list[Cue]:
    """Captions, in order; a long turn in pieces, each for its share of the time."""
    found = []
    for turn in turns:
        pieces = textwrap.wrap(said(turn), _LINE, break_long_words=True)
        letters = sum(map(len, pieces))
        start = turn.start
        for piece in pieces:
            end = start + (turn.end - turn.start) * len(piece) / letters
            found.append(Cue(start, max(end, start + _SHORTEST_S), turn.party, piece))
            start = end
    return sorted(found, key=lambda cue: cue.start)


def srt(analysis: Analysis) -> str:
    """SubRip."""
    blocks = (
        f"{number}\n{_clock(cue.start, ',')} --> {_clock(cue.end, ',')}\n{cue.party.capitalize()}: {cue.text}\n"
        for number, cue in enumerate(cues(analysis.turns), start=1)
    )
    return "\n".join(blocks)


def vtt(analysis: Analysis) -> str:
    """WebVTT, with a voice for each party. https://www.w3.org/TR/webvtt1/"""
    blocks = ["WEBVTT\n"]
    for cue in cues(analysis.turns):
        text = cue.text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        blocks.append(f"{_clock(cue.start, '.')} --> {_clock(cue.end, '.')}\n<v {cue.party.capitalize()}>{text}\n")
    return "\n".join(blocks)


def _clock(seconds: float, point: str) -> str:
    ms = round(seconds * 1_000)
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1_000 % 60:02}{point}{ms % 1_000:03}"


def textgrid(analysis: Analysis) -> str:
    """Praat's text format, with the tiers caller, agent and overlaps. https://www.fon.hum.uva.nl/praat/manual/TextGrid_file_formats.html"""
    end = max([analysis.seconds, *(turn.end for turn in analysis.turns)], default=0.0)
    overlaps = [(one.start, one.start + one.seconds, one.taken_for or "overlap") for one in analysis.overlaps]
    tiers = {
        party: [(turn.start, turn.end, said(turn)) for turn in analysis.turns if turn.party == party]
        for party in ("caller", "agent")
    } | {"overlaps": overlaps}
    lines = [
        'File type = "ooTextFile"',
        'Object class = "TextGrid"',
        "",
        "xmin = 0",
        f"xmax = {end:.3f}",
        "tiers? <exists>",
    ]
    lines += [f"size = {len(tiers)}", "item []:"]
    for number, (name, spans) in enumerate(tiers.items(), start=1):
        intervals = list(_filled(spans, end))
        lines += [
            f"    item [{number}]:",
            '        class = "IntervalTier"',
            f'        name = "{name}"',
            "        xmin = 0",
        ]
        lines += [f"        xmax = {end:.3f}", f"        intervals: size = {len(intervals)}"]
        for n, (first, last, text) in enumerate(intervals, start=1):
            quoted = text.replace('"', '""')
            lines += [f"        intervals [{n}]:", f"            xmin = {first:.3f}", f"            xmax = {last:.3f}"]
            lines.append(f'            text = "{quoted}"')
    return "\n".join(lines) + "\n"


def _filled(spans: Sequence[tuple[float, float, str]], end: float) -> Iterator[tuple[float, float, str]]:
    """From 0 to `end` without a gap, as Praat wants its tiers; of two that overlap, the later begins later."""
    at = 0.0
    for first, last, text in sorted(spans):
        first, last = max(round(first, 3), at), min(round(last, 3), end)
        if last <= first:
            continue
        if first > at:
            yield at, first, ""
        yield first, last, text
        at = last
    if at < end:
        yield at, end, ""
