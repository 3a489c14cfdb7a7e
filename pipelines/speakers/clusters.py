"""Voices grouped when all of them are there: agglomerative clustering by average linkage (Sokal and Michener 1958).

Every voice begins as a group of its own; the two most alike are joined, by the mean cosine between their members, until none are alike
enough. Groups of too few seconds go to the group they are nearest to.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines.speakers.enrolment import Voice, unit


def clusters(
    voices: Sequence[Voice], weights: Sequence[float], *, same: float, count: int | None = None, least: float = 0.0
) -> list[int]:
    """A number for each voice, counted from 0 in the order in which they are first heard.

    `weights`: seconds. `same`: mean cosine from which two groups are one person. `count`: how many people there are, when that is known
    (then `same` decides nothing). `least`: seconds of a group that stands alone."""
    n = len(voices)
    if not n:
        return []
    matrix = np.stack(voices)
    alike = (matrix @ matrix.T).astype(np.float64)
    np.fill_diagonal(alike, -np.inf)
    groups: list[list[int] | None] = [[i] for i in range(n)]
    left = n
    while left > max(1, count or 1):
        best = int(alike.argmax())
        one, other = sorted(divmod(best, n))
        if count is None and alike[one, other] < same:
            break
        _join(alike, groups, one, other)
        left -= 1
    found = [group for group in groups if group]
    return _numbered(_absorbed(found, matrix, np.asarray(weights, float), least), n)


def _join(alike: NDArray[np.float64], groups: list[list[int] | None], one: int, other: int) -> None:
    """Lance and Williams: the joined group's likeness to others is the mean of both, by size."""
    a, b = groups[one], groups[other]
    assert a is not None
    assert b is not None
    row = (len(a) * alike[one] + len(b) * alike[other]) / (len(a) + len(b))
    row[one] = row[other] = -np.inf
    alike[one], alike[:, one] = row, row
    alike[other] = alike[:, other] = -np.inf
    groups[one], groups[other] = a + b, None


def _absorbed(
    groups: list[list[int]], matrix: NDArray[np.float32], weights: NDArray[np.float64], least: float
) -> list[list[int]]:
    large = [group for group in groups if weights[group].sum() >= least]
    if not large:
        return [[i for group in groups for i in group]]
    centres = [unit(weights[group] @ matrix[group]) for group in large]
    out = [list(group) for group in large]
    for group in groups:
        if weights[group].sum() < least:
            nearest = int(np.argmax([centre @ matrix[group].mean(axis=0) for centre in centres]))
            out[nearest] += group
    return out


def _numbered(groups: list[list[int]], n: int) -> list[int]:
    labels = [0] * n
    for number, group in enumerate(sorted(groups, key=min)):
        for member in group:
            labels[member] = number
    return labels
