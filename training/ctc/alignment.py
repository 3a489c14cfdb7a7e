"""Where each character of a text was heard: CTC's best path through a net's probabilities, and what it is worth.

CTC writes a label by a path: one number a frame, in which each character stands at least once, in order, with blanks wherever it likes
and at least one between two of the same. So the path goes through the states

    _  t  _  h  _  r  _  e  _  e  _        (of "three"; _ is the blank)

and at each frame stays, goes one on, or two if that leaves out a blank between two different characters. The best path is found by
Viterbi's dynamic programme; the sum over all paths (the forward recursion) is exp(-CTC loss).
"""

from collections.abc import Sequence
from itertools import groupby

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.nets.alphabet import BLANK, frames_needed
from training.common.errors import DataError

Floats = NDArray[np.float32]


class Span(msgspec.Struct, frozen=True):
    """Where one character of the label was written."""

    number: int
    first: int
    last: int
    """Frames, both included."""
    probability: float
    """Mean over these frames."""


class Alignment(msgspec.Struct, frozen=True):
    path: list[int]
    """A number for each frame, 0 the blank."""
    states: list[int]
    """Where each frame stands in the label with its blanks: 2 i + 1 is character i, even ones are blanks."""
    spans: list[Span]
    """One for each character of the label, in order."""
    log_best: float
    """Natural log of the path's probability."""
    log_total: float
    """That of all paths of this label together."""


def interleaved(label: Sequence[int]) -> list[int]:
    """The label with a blank before, between and after."""
    states = [BLANK] * (2 * len(label) + 1)
    states[1::2] = label
    return states


def forced(log_probs: Floats, label: Sequence[int]) -> Alignment:
    """The best path of `label` through log_probs (T, V). Raises DataError when there are too few frames for any."""
    needed, frames = frames_needed(label), len(log_probs)
    if frames < max(needed, 1):
        raise DataError(
            f"{frames} output frames are too few for this text, which needs {needed}: "
            "one a character, and a blank between two of the same. Shorten the text, or take a smaller stride."
        )
    states = np.array(interleaved(label))
    skips = np.zeros(len(states), bool)  # whether a state may be entered from the one before the last
    skips[2:] = (states[2:] != BLANK) & (states[2:] != states[:-2])
    heard = log_probs[:, states].astype(np.float64)  # (T, S)
    best = np.full(heard.shape, -np.inf)
    total = best.copy()
    came_from = np.zeros(heard.shape, np.int64)  # how many states back
    best[0, :2] = total[0, :2] = heard[0, :2]
    for t in range(1, frames):
        ways = _entered_from(best[t - 1], skips)
        came_from[t] = ways.argmax(axis=0)
        best[t] = ways.max(axis=0) + heard[t]
        total[t] = np.logaddexp.reduce(_entered_from(total[t - 1], skips), axis=0) + heard[t]
    state = max(range(max(0, len(states) - 2), len(states)), key=lambda s: best[-1, s])
    log_best = float(best[-1, state])
    walked = [state]
    for t in range(frames - 1, 0, -1):
        walked.append(walked[-1] - int(came_from[t, walked[-1]]))
    walked.reverse()
    return Alignment(
        path=states[walked].tolist(),
        states=walked,
        spans=_spans(walked, states, log_probs),
        log_best=log_best,
        log_total=float(np.logaddexp.reduce(total[-1, -2:])),
    )


def _entered_from(before: NDArray[np.float64], skips: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Shape (3, S): of each state, what it is worth to have stayed, to come from one before, from two before."""
    ways = np.full((3, len(before)), -np.inf)
    ways[0] = before
    ways[1, 1:] = before[:-1]
    ways[2, 2:] = np.where(skips[2:], before[:-2], -np.inf)
    return ways


def _spans(walked: list[int], states: NDArray[np.int64], log_probs: Floats) -> list[Span]:
    spans, first = [], 0
    for state, frames in groupby(walked):
        last = first + len(list(frames)) - 1
        if state % 2:
            number = int(states[state])
            spans.append(Span(number, first, last, float(np.exp(log_probs[first : last + 1, number]).mean())))
        first = last + 1
    return spans
