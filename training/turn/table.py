"""End-of-turn detectors side by side: true ends against pauses inside utterances, on speakers that ours was not trained on.

Each recording goes over a good telephone line with a little hiss. A detector hears the turn from its beginning to 160 ms after the
last word (or to where the pause ends, if that is sooner), as a call gives it. "Unseen speakers" are of the kinds of recording that
ours was trained on; the other rows are kinds it never heard. Smart-turn was trained elsewhere, on none of these as far as its
authors say; its training data are larger by far.

Columns: the area under the ROC curve; and, with the threshold at which 5 % of the pauses are taken for ends, how many ends are
seen at once. Bounds hold in 95 of 100 draws of as many recordings. A detector that was trained several times gets the mean, the
bounds of the mean, and each training's figure behind them.
"""

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import soundfile
from numpy.typing import NDArray

from pipelines.audio.resample import resample
from pipelines.models.ports import Audio, TurnDetector
from training.common import ranking, telephony
from training.common.audio import to_float
from training.common.seeds import each
from training.turn.data import Turn, divided
from training.turn.recipe import TurnRecipe
from training.vad.labels import HOP, by_energy

RATE = 16_000
_TAIL = 160 * RATE // 1_000
_HISS = 4e-4
_LONGEST = 8 * RATE
_CUT_OFF = 0.05
_DRAWS = 1_000


class Heard(NamedTuple):
    """`row`: of the table; `recording`: what belongs together; `kind`: "end" or "pause"."""

    row: str
    recording: str
    kind: str
    audio: Audio


def compare(
    recipe: TurnRecipe,
    data: Path,
    detectors: Mapping[str, Sequence[TurnDetector]],
    *,
    calls: Sequence[Path] = (),
    limit: int = 300,
) -> str:
    """The table, in Markdown. `detectors`: by name, each with its trainings; the last name is compared with the first."""
    parts = divided(recipe.data, data)
    heard = [
        *(
            one
            for turn in parts["test"]
            for one in of_turn(turn, f"{turn.clip.language}, {turn.subset}, unseen speakers")
        ),
        *(
            one
            for turn in parts["other"]
            for one in of_turn(turn, f"{turn.clip.language}, {turn.subset}, another kind")
        ),
        *(one for call in calls for one in of_call(call)),
    ]
    heard = _thinned(heard, limit)
    scores = {
        name: [np.array([detector.p_end(one.audio) for one in heard]) for detector in trainings]
        for name, trainings in detectors.items()
    }
    rows = list(dict.fromkeys(one.row for one in heard))
    languages = {f"all {name}": [i for i, one in enumerate(heard) if one.row.startswith(name)] for name in ("en", "fr")}
    groups = {row: [i for i, one in enumerate(heard) if one.row == row] for row in rows} | languages
    names = list(detectors)
    lines = [
        "| | ends | pauses | "
        + " | ".join(f"{name}: AUC | ends seen at 5 % cut off" for name in names)
        + f" | AUC, {names[-1]} - {names[0]} |",
        "|---" * (4 + 2 * len(names)) + "|",
    ]
    for row, chosen in groups.items():
        kinds = np.array([heard[i].kind == "end" for i in chosen], bool)
        if not kinds.any() or kinds.all():
            continue
        cells, draws = [], {}
        for name in names:
            found = [_measured(_by_recording([heard[i] for i in chosen], said[chosen])) for said in scores[name]]
            area, seen, areas, seens = zip(*found, strict=True)
            seen, draws[name], seens = 100 * np.array(seen), np.mean(areas, axis=0), 100 * np.mean(seens, axis=0)
            cells += [
                f"{np.mean(area):.2f} ({_bounds(draws[name])}){each(area, 2)}",
                f"{np.mean(seen):.0f} ({_bounds(seens, 0)}){each(seen, 0)}",
            ]
        apart = draws[names[-1]] - draws[names[0]]
        low, high = np.nanpercentile(apart, (2.5, 97.5))
        lines.append(f"| {row} | {kinds.sum()} | {(~kinds).sum()} | {' | '.join(cells)} | {low:+.2f} to {high:+.2f} |")
    return "\n".join(lines)


def of_turn(turn: Turn, row: str) -> list[Heard]:
    line = _line(turn.audio, turn.clip.audio.name)
    name = f"{turn.subset}/{turn.clip.audio.name}"
    return [
        Heard(row, name, one.kind, _until(line, 0, one.at, one.length if one.kind == "pause" else _TAIL))
        for one in turn.silences
        if one.kind != "dip"
    ]


def of_call(path: Path, language: str = "en") -> list[Heard]:
    """A recorded call with one person a channel. What somebody says before he is silent for 150 ms or more is an end if the other
    speaks next, and a pause if he goes on."""
    samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    sides = [to_float(resample(np.ascontiguousarray(side), rate, RATE)) for side in samples.T]
    found = []
    spans = [_stretches(side) for side in sides]
    for me, side in enumerate(sides):
        line = _line(side, f"{path.name} {me}")
        other = spans[1 - me]
        began = None
        for number, (first, last) in enumerate(spans[me][:-1]):
            began = first if began is None else began
            after = spans[me][number + 1][0]
            answers = [start for start, _ in other if last - RATE // 2 < start < after]
            overlapped = any(start < last < stop for start, stop in other)
            if answers and not overlapped and after - last > RATE // 2:
                found.append(
                    Heard(
                        f"{language}, two-sided calls",
                        f"{path.name} {number} {me}",
                        "end",
                        _until(line, began, last, _TAIL),
                    )
                )
                began = None
            elif not answers and not overlapped:
                found.append(
                    Heard(
                        f"{language}, two-sided calls",
                        f"{path.name} {number} {me}",
                        "pause",
                        _until(line, began, last, after - last),
                    )
                )
                if after - last > 3 * RATE:
                    began = None
    return found


def _stretches(side: Audio) -> list[tuple[int, int]]:
    """Speech from and to, in samples, by energy; silences of 150 ms or more lie between."""
    speech = np.concatenate(([0], by_energy(side, gap=14) == 1, [0])).astype(np.int8)
    steps = np.diff(speech)
    pairs = zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True)
    return [(int(a) * HOP, int(b) * HOP) for a, b in pairs if (b - a) * HOP > RATE * 0.15]


def _line(heard: Audio, name: str) -> Audio:
    hiss = np.random.default_rng(zlib.crc32(name.encode())).normal(0, _HISS, heard.size).astype(np.float32)
    return telephony.plain(np.clip(heard + hiss, -1, 1))


def _until(line: Audio, first: int, last: int, silence: int) -> Audio:
    stop = last + min(_TAIL, silence)
    return line[max(first, stop - _LONGEST) : stop]


def _thinned(heard: Sequence[Heard], limit: int) -> list[Heard]:
    """At most `limit` of each row and kind, evenly chosen."""
    kept: list[Heard] = []
    for key in dict.fromkeys((one.row, one.kind) for one in heard):
        some = [one for one in heard if (one.row, one.kind) == key]
        kept += [some[i] for i in np.linspace(0, len(some) - 1, min(limit, len(some))).astype(int)]
    return kept


Recordings = list[tuple[NDArray, NDArray]]


def _by_recording(heard: Sequence[Heard], scores: NDArray) -> Recordings:
    groups: dict[str, tuple[list[float], list[float]]] = {}
    for one, score in zip(heard, scores, strict=True):
        groups.setdefault(one.recording, ([], []))[one.kind != "end"].append(float(score))
    return [(np.array(ends), np.array(pauses)) for ends, pauses in groups.values()]


def _measured(recordings: Recordings) -> tuple[float, float, NDArray, NDArray]:
    """Area and share of ends seen, and both for each draw of recordings."""

    def both(chosen: Recordings) -> tuple[float, float]:
        ends, pauses = (np.concatenate(part) for part in zip(*chosen, strict=True))
        if not ends.size or not pauses.size:
            return float("nan"), float("nan")
        threshold = np.quantile(pauses, 1 - _CUT_OFF)
        return ranking.area(ends, pauses), float((ends > threshold).mean())

    rng = np.random.default_rng(0)
    drawn = [both([recordings[i] for i in rng.integers(0, len(recordings), len(recordings))]) for _ in range(_DRAWS)]
    areas, seens = np.array(drawn).T
    return *both(recordings), areas, seens


def _bounds(values: NDArray, digits: int = 2) -> str:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return f"{low:.{digits}f} to {high:.{digits}f}"
