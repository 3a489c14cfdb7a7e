"""Where each gap went, as a picture: a bar for every answer, from the caller's last word to the answer's first."""

from collections.abc import Sequence
from pathlib import Path

from tests.load.turn_counts import Answer

_ROW_INCHES, _WIDTH_INCHES, _MARGIN_INCHES = 0.19, 11.0, 1.3
_INK, _FAINT, _PAPER, _FILLER = "#222222", "#8A8A8A", "#FFFFFF", "#F0E442"
_GOAL_S = 0.5
_PARTS = {  # the colours of a call's own picture (`server.observe.timeline`)
    "endpointing": ("#56B4E9", "endpointing"),
    "stt": ("#0072B2", "transcript"),
    "first_token": ("#E69F00", "first token"),
    "first_audio": ("#009E73", "first audio"),
    "playout": ("#999999", "playout"),
}


def write_waterfall(answers: Sequence[tuple[str, Answer]], path: Path, title: str) -> None:
    """Draw `answers`, each with the name of its call, into `path`, a PNG, longest gap of a call last."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    height = _MARGIN_INCHES + _ROW_INCHES * max(len(answers), 4)
    figure = Figure(figsize=(_WIDTH_INCHES, height))
    axes = figure.add_axes((0.16, 0.75 / height, 0.81, 1 - _MARGIN_INCHES / height))
    names = [name for name, _ in answers]
    for row, (name, answer) in enumerate(answers):
        left = 0.0
        for part, length in answer.parts.items():
            axes.barh(row, length, left=left, height=0.74, color=_PARTS[part][0], edgecolor=_PAPER, linewidth=0.6)
            left += length
        if answer.word is not None and answer.word > answer.first + 0.05:  # its first sound was a filler's
            axes.barh(
                row, answer.word - left, left=left, height=0.74, color=_FILLER, edgecolor=_FAINT, hatch="////", lw=0.4
            )
        axes.plot([answer.first] * 2, [row - 0.42, row + 0.42], color=_INK, linewidth=1.6)
        axes.text(max(answer.word or 0.0, answer.first, left) + 0.02, row, f"{answer.first:.2f}", va="center", size=7.5)
        if row and names[row - 1] != name:
            axes.axhline(row - 0.5, color="#CCCCCC", linewidth=0.8)
    first = [row for row, name in enumerate(names) if not row or names[row - 1] != name]
    axes.set_yticks(first, [names[row] for row in first], size=8.5)
    axes.set_ylim(len(answers) - 0.4, -0.6)
    axes.set_xlim(0, None)
    axes.axvline(_GOAL_S, color=_INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=0)
    axes.set_xlabel("seconds after the caller's last word; ▏first sound in his ear", color=_FAINT, size=9, loc="left")
    axes.tick_params(colors=_FAINT, labelsize=8.5, length=0)
    axes.grid(axis="x", color="#EBEBEB", linewidth=0.8)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.set_title(title, loc="left", size=12, weight="bold", color=_INK)
    handles = [Patch(color=colour, label=label) for colour, label in _PARTS.values()]
    handles.append(Patch(facecolor=_FILLER, edgecolor=_FAINT, hatch="////", label="a filler, until the answer"))
    figure.legend(handles=handles, loc="lower right", bbox_to_anchor=(0.97, 0), ncols=6, frameon=False, fontsize=8.5)
    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110, facecolor=_PAPER)
