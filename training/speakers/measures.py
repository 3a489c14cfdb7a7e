"""How well scores tell the same voice from another: equal error rate, detection cost, and how sure one can be of them.

A trial is two utterances; its score should be high when one person spoke both (a target). Bounds come from a bootstrap over
speakers, not trials: a person's trials resemble each other, and another day would bring other people.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DRAWS = 500


@dataclass(frozen=True)
class Trials:
    """n trials. `first`, `second`: numbers of the two utterances' speakers, counted over all groups."""

    scores: Floats
    first: NDArray[np.int64]
    second: NDArray[np.int64]

    @property
    def targets(self) -> NDArray[np.bool_]:
        """Which are by one person."""
        return self.first == self.second

    @property
    def both(self) -> bool:
        """Whether there are targets and others: without, there are no rates."""
        return bool(self.targets.any() and not self.targets.all())

    def __add__(self, other: "Trials") -> "Trials":
        """Both, of the same speakers' numbers."""
        return Trials(
            np.concatenate((self.scores, other.scores)),
            np.concatenate((self.first, other.first)),
            np.concatenate((self.second, other.second)),
        )


@dataclass(frozen=True)
class Rates:
    """Part of the targets refused and of the others accepted, when whoever scores at least `thresholds[i]` is accepted."""

    thresholds: Floats
    misses: Floats
    false_accepts: Floats


def rates(trials: Trials, weights: Floats | None = None) -> Rates:
    """At every score that occurs, from the highest down, beginning with "nobody is accepted". `weights`: of each trial."""
    order = np.argsort(-trials.scores, kind="stable")
    weight = np.ones(len(order)) if weights is None else weights[order]
    targets, scores = trials.targets[order], trials.scores[order]
    accepted = np.cumsum(weight * targets), np.cumsum(weight * ~targets)
    last = np.append(scores[1:] != scores[:-1], True)  # equal scores are accepted together
    hits, false = (np.append(0.0, part[last] / max(part[-1], 1e-12)) for part in accepted)
    return Rates(np.append(np.inf, scores[last]), 1 - hits, false)


def equal_error(found: Rates) -> tuple[float, float]:
    """(rate at which misses and false accepts are alike, 0 to 1, the threshold there)."""
    apart = found.false_accepts - found.misses  # rises from -1 to 1
    after = int(np.argmax(apart >= 0))
    before = max(after - 1, 0)
    step = apart[after] - apart[before]
    part = -apart[before] / step if step else 0.0
    rate = found.misses[before] + part * (found.misses[after] - found.misses[before])
    return float(rate), float(found.thresholds[after])


def detection_cost(found: Rates, p_target: float) -> float:
    """minDCF: the least of `p_target` x misses + (1 - p_target) x false accepts over all thresholds, divided by what the better
    of always refusing and always accepting costs (NIST speaker recognition evaluations; both errors cost 1)."""
    costs = p_target * found.misses + (1 - p_target) * found.false_accepts
    return float(costs.min() / min(p_target, 1 - p_target))


def threshold_at(found: Rates, false_accepts: float) -> float:
    """The lowest threshold that accepts at most this part of the others."""
    return float(found.thresholds[np.flatnonzero(found.false_accepts <= false_accepts)[-1]])


def errors_at(trials: Trials, threshold: float) -> tuple[float, float]:
    """(misses, false accepts), parts of 1, when whoever scores at least `threshold` is accepted."""
    accepted = trials.scores >= threshold
    return float(1 - accepted[trials.targets].mean()), float(accepted[~trials.targets].mean())


def bounds(
    trials: Trials, figure: Callable[[Rates], float], *, draws: int = DRAWS, seed: int = 0
) -> tuple[float, float] | None:
    """The middle 95 % of `figure` over draws of as many speakers, with replacement; None with fewer than five of them. A trial of
    two speakers counts as often as both were drawn, one of a single speaker as often as he was."""
    people = np.unique(np.concatenate((trials.first, trials.second)))
    if len(people) < 5:
        return None
    places = np.searchsorted(people, trials.first), np.searchsorted(people, trials.second)
    rng, figures = np.random.default_rng(seed), []
    for _ in range(draws):
        times = np.bincount(rng.integers(len(people), size=len(people)), minlength=len(people)).astype(float)
        weights = np.where(trials.targets, times[places[0]], times[places[0]] * times[places[1]])
        if weights[trials.targets].sum() and weights[~trials.targets].sum():
            figures.append(figure(rates(trials, weights)))
    low, high = np.percentile(figures, (2.5, 97.5))
    return float(low), float(high)


def pairs(voices: NDArray[np.float32], others: NDArray[np.float32], speakers: Sequence[int]) -> Trials:
    """Utterance i of `voices` against every later one of `others` (both (n, size), length 1, of the same utterances as they are
    heard in two ways): cosines."""
    first, second = np.triu_indices(len(voices), 1)
    numbers = np.asarray(speakers, np.int64)
    scores = np.einsum("ij,ij->i", voices[first], others[second]).astype(np.float64)
    return Trials(scores, numbers[first], numbers[second])
