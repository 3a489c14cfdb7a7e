"""The rows of `denoise-table` as tables to read: all noises together with bounds, then noise by noise."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from training.common.measures import Errors, interval, rate
from training.denoise.measures import NAMES, bounds

if TYPE_CHECKING:
    from training.denoise.table import Row

_PLACES = {"si_sdr": 1, "pesq": 2, "stoi": 3}
_TITLES = {"si_sdr": "SI-SDR dB", "pesq": "PESQ", "stoi": "STOI"}


def report(rows: "Sequence[Row]", parameters: Mapping[str, int]) -> str:
    """Markdown. Bounds hold 95 of 100 draws of the clips; a clip's figure is the mean over its noises. Words: the difference to
    no denoiser on the same clips."""
    noisy = [row for row in rows if np.isfinite(row.snr_db)]
    systems = list(dict.fromkeys(row.system for row in rows))
    lines = [
        "## All noises and ratios",
        "",
        "| denoiser | parameters | CPU ms a second | "
        + " | ".join(_TITLES[n] for n in NAMES)
        + " | word error % | against none, points | on the quiet line % |",
    ]
    lines.append("|---" * (len(NAMES) + 6) + "|")
    reference = [row for row in noisy if row.system == "none"]
    for system in systems:
        mine = [row for row in noisy if row.system == system]
        if not mine:
            continue
        cells = [
            system,
            _count(system, parameters),
            "-" if system == "none" else f"{np.mean([row.cpu_ms for row in mine]):.0f}",
        ]
        cells += [_bounded(name, mine) for name in NAMES]
        cells += [
            _words(mine),
            _against(mine, reference),
            _words([r for r in rows if r.system == system and not np.isfinite(r.snr_db)]),
        ]
        lines.append("| " + " | ".join(cells) + " |")
    for noise in dict.fromkeys(row.noise for row in noisy):
        ratios = sorted({row.snr_db for row in noisy if row.noise == noise})
        lines += [
            "",
            f"## {noise}",
            "",
            "| denoiser | " + " | ".join(f"{ratio:g} dB" for ratio in ratios) + " |",
            "|---" * (len(ratios) + 1) + "|",
        ]
        for system in systems:
            found = {row.snr_db: row for row in noisy if row.noise == noise and row.system == system}
            if found:
                lines.append(f"| {system} | " + " | ".join(_cell(found.get(ratio)) for ratio in ratios) + " |")
    lines += ["", "In each cell: SI-SDR dB, PESQ, STOI, word error %."]
    return "\n".join(lines) + "\n"


def _count(system: str, parameters: Mapping[str, int]) -> str:
    found = [count for name, count in parameters.items() if system.split()[0] == name]
    return f"{found[0]:,}".replace(",", " ") if found else "-"


def _bounded(name: str, rows: "Sequence[Row]") -> str:
    values = np.array([[clip[name] for clip in row.measures] for row in rows], float)
    if not np.isfinite(values).any():
        return "-"
    counted = np.isfinite(values).sum(axis=0)
    mean, low, high = bounds(np.where(counted, np.nansum(values, axis=0) / np.maximum(counted, 1), np.nan).tolist())
    places = _PLACES[name]
    return f"{mean:.{places}f} ({low:.{places}f} to {high:.{places}f})"


def _by_clip(rows: "Sequence[Row]") -> list[Errors]:
    """Errors of each clip in all of `rows` together: clips are what is drawn, not a clip in one noise."""
    return (
        [sum((Errors(*row.words[i]) for row in rows), Errors(0, 0)) for i in range(len(rows[0].words))] if rows else []
    )


def _words(rows: "Sequence[Row]") -> str:
    clips = _by_clip(rows)
    if not clips:
        return "-"
    low, high = interval(clips)
    return f"{100 * rate(clips):.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _against(rows: "Sequence[Row]", reference: "Sequence[Row]") -> str:
    """On the conditions that both have."""
    both = {(row.noise, row.snr_db) for row in rows} & {(row.noise, row.snr_db) for row in reference}
    mine, theirs = (_by_clip([row for row in each if (row.noise, row.snr_db) in both]) for each in (rows, reference))
    if not mine or len(mine) != len(theirs):
        return "-"
    low, high = interval(mine, theirs)
    return f"{100 * (rate(mine) - rate(theirs)):+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _cell(row: "Row | None") -> str:
    if row is None:
        return "-"
    figures = [np.nanmean([clip[name] for clip in row.measures]) for name in NAMES]
    said = [
        f"{value:.{_PLACES[name]}f}" if np.isfinite(value) else "-" for name, value in zip(NAMES, figures, strict=True)
    ]
    clips = [Errors(*each) for each in row.words]
    return ", ".join([*said, f"{100 * rate(clips):.0f}" if clips else "-"])
