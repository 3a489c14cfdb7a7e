"""A weighted sum of an utterance's functionals: logistic regression, or a linear support vector machine (scikit-learn)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from training.emotion.recipe import NetSettings

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Linear:
    """`weights` (labels, numbers), `bias` (labels,), for vectors as they come: the scaling of the training is folded in."""

    weights: Floats
    bias: Floats

    def logits(self, vectors: Floats) -> Floats:
        """(n, numbers) to (n, labels)."""
        return vectors @ self.weights.T + self.bias

    @property
    def parameters_count(self) -> int:
        """Numbers that were learnt."""
        return self.weights.size + self.bias.size

    def cooled(self, temperature: float) -> "Linear":
        return Linear(self.weights / temperature, self.bias / temperature)


def fit(vectors: Floats, labels: NDArray[np.int64], settings: NetSettings) -> Linear:
    """Classes count alike, however many clips they have; extreme numbers of the training are drawn in."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    mean, deviation = vectors.mean(axis=0), np.maximum(vectors.std(axis=0), 1e-6)
    scaled = np.clip((vectors - mean) / deviation, -4, 4)
    if settings.kind == "svm":
        model = LinearSVC(C=settings.penalty, class_weight="balanced", max_iter=20_000, random_state=0)
    else:
        model = LogisticRegression(C=settings.penalty, class_weight="balanced", max_iter=2_000)
    model.fit(scaled, labels)
    weights, bias = model.coef_, model.intercept_
    if len(bias) == 1:  # of two classes scikit-learn tells how the second differs from the first
        weights, bias = np.vstack([0 * weights, weights]), np.concatenate([[0.0], bias])
    weights = weights / deviation
    return Linear(weights, bias - weights @ mean)
