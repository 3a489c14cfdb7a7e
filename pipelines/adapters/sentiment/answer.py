"""Scores become the answer of the port."""

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ModelError

LABELS = ("negative", "neutral", "positive")


def answer(logits: NDArray[np.floating]) -> dict[str, float]:
    """Probabilities by label. Raises ModelError when the scores are not three numbers."""
    scores = np.asarray(logits, np.float64)
    if scores.shape != (len(LABELS),) or np.isnan(scores).any():
        raise ModelError("the sentiment model gave no scores.")
    odds = np.exp(scores - scores.max())
    return dict(zip(LABELS, (odds / odds.sum()).tolist(), strict=True))
