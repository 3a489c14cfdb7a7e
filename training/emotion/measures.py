"""How good an emotion model is across speakers, how honest its probabilities are, and whom it calls angry."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_DRAWS = 2_000


def recalls(truth: Ints, said: Ints, classes: int) -> Floats:
    """Of each class; nan for one that is not there."""
    counts = np.bincount(truth, minlength=classes)
    hits = np.bincount(truth[truth == said], minlength=classes)
    with np.errstate(invalid="ignore", divide="ignore"):
        return hits / np.where(counts, counts, np.nan)


def uar(truth: Ints, said: Ints, classes: int) -> float:
    """Unweighted average recall: the mean over the classes, 0 to 1; chance is 1 / classes."""
    return float(np.nanmean(recalls(truth, said, classes)))


def uar_interval(truth: Ints, said: Ints, speakers: Sequence[str], classes: int, seed: int = 0) -> tuple[float, float]:
    """Bounds that hold 95 of 100 draws of as many speakers, and of as many clips of each: few speakers, wide bounds. `said` (clips,), or
    (seeds, clips) for the mean over seeds, each on the same draws."""
    rng = np.random.default_rng(seed)
    names = sorted(set(speakers))
    places = [np.flatnonzero(np.array(speakers) == name) for name in names]
    found = []
    for _ in range(_DRAWS):
        drawn = np.concatenate([rng.choice(places[i], len(places[i])) for i in rng.integers(0, len(names), len(names))])
        found.append(np.mean([uar(truth[drawn], one[drawn], classes) for one in np.atleast_2d(said)]))
    low, high = np.nanpercentile(found, (2.5, 97.5))
    return float(low), float(high)


def confusion(truth: Ints, said: Ints, classes: int) -> Ints:
    """(truth, said) counts."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (truth, said), 1)
    return table


def temperature(logits: Floats, truth: Ints) -> float:
    """By which logits are divided for the least surprise on `truth` (Guo et al. 2017), 0.05 to 20."""

    def surprise(log_t: float) -> float:
        return -float(log_softmax(logits / np.exp(log_t), axis=1)[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(np.log(0.05), np.log(20)), method="bounded").x))


def calibrated(logits: Floats, truth: Ints, speakers: Sequence[str]) -> Floats:
    """Probabilities of each speaker's clips at the temperature that suits the *other* speakers."""
    names = np.array(speakers)
    out = np.empty_like(logits)
    for name in set(speakers):
        others = names != name
        out[~others] = softmax(logits[~others] / temperature(logits[others], truth[others]), axis=1)
    return out


def calibration_error(p: Floats, truth: Ints, bins: int = 10) -> float:
    """Expected calibration error: by how much sureness and rightness differ, over ten bins of sureness; 0 to 1."""
    sure, right = p.max(axis=1), p.argmax(axis=1) == truth
    where = np.minimum((sure * bins).astype(int), bins - 1)
    return float(sum(abs(sure[where == b].mean() - right[where == b].mean()) * (where == b).mean() for b in set(where)))


LEAST = 0.5
"""Nobody is called angry who is likelier not to be."""


def threshold(calm: Mapping[str, Floats], share: float) -> float:
    """The lowest probability of anger, from LEAST up, at which no corpus of calm callers has more than `share` called angry."""
    return max([LEAST, *(float(np.quantile(p, 1 - share, method="higher")) + 1e-6 for p in calm.values())])


def alarms_unseen(calm: Mapping[str, Floats], share: float) -> dict[str, float]:
    """Share called angry of each corpus, when the threshold was set on the others alone."""
    return {
        name: float((p >= threshold({other: q for other, q in calm.items() if other != name}, share)).mean())
        for name, p in calm.items()
    }
