"""How right and how sure a sentiment model is."""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

_DRAWS = 2_000


def accuracy(truth: Ints, said: Ints) -> float:
    return float((truth == said).mean()) if len(truth) else float("nan")


def macro_f1(truth: Ints, said: Ints) -> float:
    """The mean of F1 over the classes that are in the truth; what is wrongly given to another costs them recall."""
    found = []
    for label in np.unique(truth):
        hits = ((truth == label) & (said == label)).sum()
        found.append(2 * hits / ((truth == label).sum() + (said == label).sum()))
    return float(np.mean(found))


def interval(truth: Ints, said: Ints, measure=accuracy, seed: int = 0) -> tuple[float, float]:
    """Bounds that hold 95 of 100 draws of as many sentences."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, len(truth), (_DRAWS, len(truth)))
    found = [measure(truth[rows], said[rows]) for rows in drawn]
    low, high = np.percentile(found, (2.5, 97.5))
    return float(low), float(high)


def temperature(logits: Floats, truth: Ints) -> float:
    """By which logits are divided for the least surprise on `truth`, 0.05 to 20."""

    def surprise(log_t: float) -> float:
        return -float(log_softmax(logits / np.exp(log_t), axis=1)[np.arange(len(truth)), truth].mean())

    return float(np.exp(minimize_scalar(surprise, bounds=(np.log(0.05), np.log(20)), method="bounded").x))
