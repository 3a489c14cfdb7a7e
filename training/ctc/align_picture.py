"""The picture of an alignment, from top to bottom: the sound with each character's span, what each frame writes on the best path,
how probable each character was in each frame, and the way of the path through the text and its blanks."""

from pathlib import Path

import matplotlib
import msgspec
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from numpy.typing import NDArray

from pipelines.models.ports import Audio
from pipelines.nets.alphabet import BLANK, Alphabet
from pipelines.units import SAMPLE_RATE
from training.ctc.alignment import Alignment, interleaved

_INK, _PALE, _BLANK = "#2b2b33", "#d9d9de", "#9a9aa6"
# Okabe and Ito's colours, which colour-blind people can tell apart, without the yellow that is too light for lines.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195")
_MOST_ROWS = 60  # of text and blanks: a longer text has no room for its trellis
_MOST_LETTERS = 400  # frames into whose cells letters still fit


class Frames(msgspec.Struct, frozen=True):
    """When an output frame is, in seconds of the clip."""

    start: float
    """Where frame 0 begins."""
    step: float

    def time(self, frame: int) -> float:
        return self.start + frame * self.step


def draw(
    sound: Audio,
    log_probs: NDArray[np.float32],
    found: Alignment,
    alphabet: Alphabet,
    text: str,
    frames: Frames,
    picture: Path,
    *,
    title: str,
) -> None:
    """Write the picture; its format is that of the file's ending."""
    label = alphabet.encode(text)
    seconds = sound.size / SAMPLE_RATE
    trellis = 2 * len(label) + 1 <= _MOST_ROWS
    heights = [2.0, 0.3, 2.0] + ([0.17 * (2 * len(label) + 1) + 0.3] if trellis else [])
    with matplotlib.rc_context({"font.size": 10, "axes.edgecolor": _BLANK, "text.color": _INK, "svg.fonttype": "none"}):
        figure = Figure(figsize=(float(np.clip(3 + 5 * seconds, 9, 40)), sum(heights) + 1.4), layout="constrained")
        figure.suptitle(f'"{text}"', fontsize=15, fontweight="bold", x=0.01, ha="left")
        figure.text(0.995, 0.995, title, ha="right", va="top", color=_BLANK, fontsize=9)
        panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        for panel in panels:
            panel.spines[["top", "right"]].set_visible(False)
            panel.tick_params(colors=_INK, length=3)
            panel.set_xlim(0, max(seconds, frames.time(len(log_probs))))
        colours = _colours(label)
        _waveform(panels[0], sound, found, alphabet, frames, colours)
        _strip(panels[1], found, alphabet, frames, colours)
        _posteriors(panels[2], log_probs, alphabet, frames, colours)
        if trellis:
            _trellis(panels[3], log_probs, found, label, alphabet, frames, colours)
        panels[-1].set_xlabel("seconds")
        picture.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(picture, dpi=150, facecolor="white")


def _colours(label: list[int]) -> dict[int, str]:
    """A colour for each character, in the order in which they come."""
    return {number: _COLOURS[i % len(_COLOURS)] for i, number in enumerate(dict.fromkeys(label))}


def _waveform(
    panel: Axes, sound: Audio, found: Alignment, alphabet: Alphabet, frames: Frames, colours: dict[int, str]
) -> None:
    """Loudness in grey; a band for each character's span, its letter above; what no band covers is blank."""
    panel.plot(np.arange(sound.size) / SAMPLE_RATE, sound, color=_INK, linewidth=0.5)
    loudest = max(float(np.abs(sound).max()), 1e-3)
    panel.set_ylim(-1.1 * loudest, 1.6 * loudest)
    panel.set_yticks([])
    panel.spines["left"].set_visible(False)
    panel.set_ylabel("sound")
    for span in found.spans:
        first, after = frames.time(span.first), frames.time(span.last + 1)
        panel.axvspan(first, after, color=colours[span.number], alpha=0.25, linewidth=0)
        panel.text(
            (first + after) / 2,
            1.32 * loudest,
            _name(alphabet, span.number),
            ha="center",
            va="center",
            fontsize=13,
            fontweight="bold",
            color=colours[span.number],
        )


def _strip(panel: Axes, found: Alignment, alphabet: Alphabet, frames: Frames, colours: dict[int, str]) -> None:
    """The path itself, a cell a frame."""
    for t, number in enumerate(found.path):
        colour = _PALE if number == BLANK else colours[number]
        panel.axvspan(
            frames.time(t), frames.time(t + 1), color=colour, linewidth=0, alpha=0.35 if number == BLANK else 1
        )
        if len(found.path) <= _MOST_LETTERS:
            name, ink = ("·", _BLANK) if number == BLANK else (_name(alphabet, number), "white")
            panel.text(
                frames.time(t) + frames.step / 2,
                0.5,
                name,
                color=ink,
                fontsize=8,
                fontweight="bold",
                ha="center",
                va="center",
            )
    panel.set_yticks([])
    panel.spines[["left", "bottom"]].set_visible(False)
    panel.tick_params(length=0)
    panel.set_ylabel("path", rotation=0, ha="right", va="center")


def _posteriors(
    panel: Axes,
    log_probs: NDArray[np.float32],
    alphabet: Alphabet,
    frames: Frames,
    colours: dict[int, str],
) -> None:
    """One curve a character of the text, the blank in grey, and dotted the likeliest of what is not in the text."""
    probabilities = np.exp(log_probs)
    times = np.array([frames.time(t) + frames.step / 2 for t in range(len(log_probs))])
    panel.fill_between(times, probabilities[:, BLANK], color=_PALE, linewidth=0)
    panel.plot(times, probabilities[:, BLANK], color=_BLANK, linewidth=1, label="blank")
    others = [n for n in range(1, alphabet.size) if n not in colours]
    if others:
        panel.plot(times, probabilities[:, others].max(axis=1), ":", color=_INK, linewidth=1, label="any other")
    for number, colour in colours.items():
        panel.fill_between(times, probabilities[:, number], color=colour, alpha=0.3, linewidth=0)
        panel.plot(times, probabilities[:, number], color=colour, linewidth=1.6, marker=".", markersize=4)
    panel.set_ylim(0, 1.05)
    panel.set_yticks([0, 0.5, 1])
    panel.set_ylabel("probability")
    panel.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)


def _trellis(
    panel: Axes,
    log_probs: NDArray[np.float32],
    found: Alignment,
    label: list[int],
    alphabet: Alphabet,
    frames: Frames,
    colours: dict[int, str],
) -> None:
    """The label with its blanks from top to bottom; each cell as full as the frame is sure of it; the best path through."""
    states = interleaved(label)
    cells = np.ones((len(states), len(log_probs), 4))
    for row, number in enumerate(states):
        cells[row] = to_rgba(_PALE if number == BLANK else colours[number])
        cells[row, :, 3] = np.exp(log_probs[:, number])
    edges = [frames.time(t) for t in range(len(log_probs) + 1)]
    panel.pcolormesh(edges, np.arange(len(states) + 1), cells, linewidth=0)
    times = np.array([frames.time(t) + frames.step / 2 for t in range(len(log_probs))])
    panel.plot(times, np.array(found.states) + 0.5, color=_INK, linewidth=1, marker="o", markersize=3)
    panel.set_ylim(len(states), 0)
    panel.set_yticks(
        np.arange(len(states)) + 0.5, ["·" if n == BLANK else _name(alphabet, n) for n in states], fontsize=9
    )
    for tick, number in zip(panel.get_yticklabels(), states, strict=True):
        tick.set_color(_BLANK if number == BLANK else colours[number])
        tick.set_fontweight("normal" if number == BLANK else "bold")
    panel.tick_params(axis="y", length=0)
    panel.set_ylabel("text with blanks")


def _name(alphabet: Alphabet, number: int) -> str:
    character = alphabet.decode([number])
    return "␣" if character == " " else character
