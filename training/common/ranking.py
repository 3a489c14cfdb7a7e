"""How well a score tells two kinds apart: the ROC curve, the area under it, and how sure one can be of that area."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.floating]

_BINS = 512


def area(positive: Scores, negative: Scores) -> float:
    """Under the ROC curve: how likely one of `positive` scores above one of `negative` (a tie counts half); nan if either is
    empty."""
    if not positive.size or not negative.size:
        return float("nan")
    order = np.sort(negative)
    below = np.searchsorted(order, positive, "left") + np.searchsorted(order, positive, "right")
    return float(below.mean() / (2 * negative.size))


def curve(positive: Scores, negative: Scores) -> tuple[Scores, Scores]:
    """(share of `negative` at or above each threshold, the same of `positive`), from the highest threshold to the lowest."""
    thresholds = np.unique(np.concatenate((positive, negative)))[::-1]
    return tuple(1 - np.searchsorted(np.sort(part), thresholds, "left") / part.size for part in (negative, positive))


Groups = Sequence[tuple[Scores, Scores]]
"""A group is what belongs together (the windows of a recording, the pauses of a speaker): (positive scores, negative scores)."""


def area_interval(*trainings: Groups, draws: int = 1_000, seed: int = 0) -> tuple[float, float]:
    """The bounds that hold the area in 95 of 100 draws of as many groups. Of several trainings, scores of the same groups in the
    same order, it is the mean of their areas. Scores are sorted into 512 bins by rank."""
    return _bounds(_mean_areas(trainings, draws, seed))


def difference_interval(
    ours: Sequence[Groups], theirs: Sequence[Groups], *, draws: int = 1_000, seed: int = 0
) -> tuple[float, float]:
    """The bounds of area(ours) - area(theirs), each the mean of one training or several, scores of the same groups in the same order."""
    if len(sizes := {len(groups) for groups in (*ours, *theirs)}) > 1:
        raise ValueError(f"{max(sizes)} groups cannot be compared with {min(sizes)}")
    return _bounds(_mean_areas(ours, draws, seed) - _mean_areas(theirs, draws, seed))


def _mean_areas(trainings: Sequence[Groups], draws: int, seed: int) -> Scores:
    return np.mean([_areas(groups, draws, seed) for groups in trainings], axis=0)


def _areas(groups: Groups, draws: int, seed: int) -> Scores:
    """Area of each draw of groups."""
    everything = np.concatenate([np.concatenate(group) for group in groups])
    edges = np.unique(np.quantile(everything, np.linspace(0, 1, _BINS + 1)[1:-1]))
    counted = np.array(
        [
            [np.bincount(np.searchsorted(edges, part, "right"), minlength=edges.size + 1) for part in group]
            for group in groups
        ],
        float,
    )
    drawn = np.random.default_rng(seed).integers(0, len(groups), (draws, len(groups)))
    areas = []
    for chosen in drawn:
        positive, negative = counted[chosen].sum(axis=0)
        below = np.concatenate(([0.0], np.cumsum(negative)[:-1])) + negative / 2
        with np.errstate(invalid="ignore"):
            areas.append((positive * below).sum() / (positive.sum() * negative.sum()))
    return np.array(areas)


def _bounds(values: Scores) -> tuple[float, float]:
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)
