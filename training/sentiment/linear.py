"""A weighted sum over words, pairs and lexicon sums (logistic regression, scikit-learn)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.sentiment.linear import LANGUAGES, LEXICONS, read_lexicon
from pipelines.nets import sentiment_words
from pipelines.nets.sentiment_words import sentence
from training.sentiment import measures
from training.sentiment.data import TEXTS, Sentence
from training.sentiment.recipe import SentimentRecipe

Floats = NDArray[np.float64]

_FOLDS = 5


@dataclass(frozen=True)
class Linear:
    weights: Floats
    bias: Floats
    recipe: SentimentRecipe

    def logits(self, sentences: list[Sentence]) -> Floats:
        return vectors(sentences, self.recipe) @ self.weights.T + self.bias

    @property
    def parameters_count(self) -> int:
        return int(np.count_nonzero(self.weights)) + self.bias.size


def vectors(sentences: list[Sentence], recipe: SentimentRecipe) -> NDArray[np.float32]:
    """(n, SIZE). What the recipe turns off is 0."""
    lexicons = {language: read_lexicon(TEXTS / LEXICONS.format(language)) for language in LANGUAGES}
    if not recipe.net.lexicon:
        lexicons = {language: {} for language in LANGUAGES}
    before = sentiment_words.denied
    if not recipe.net.denial:  # for the table alone: what does it bring?
        sentiment_words.denied = lambda said, language: [False] * len(said)
    try:
        found = np.stack([sentence(s.text, s.language, lexicons.get(s.language, lexicons["en"])) for s in sentences])
    finally:
        sentiment_words.denied = before
    return found


def fit(train: list[Sentence], recipe: SentimentRecipe) -> Linear:
    """Taught on `train`, at the temperature that five parts of it, each judged by the other four, ask for."""
    x, y = vectors(train, recipe), np.array([s.label for s in train])
    weight = np.array([s.weight for s in train])
    part = np.random.default_rng(recipe.data.seed).permutation(len(train)) % _FOLDS
    aside = np.zeros((len(train), 3))
    for fold in range(_FOLDS):
        rest = part != fold
        if len(set(y[rest])) == 3:
            weights, bias = _fit(x[rest], y[rest], weight[rest], recipe)
            aside[~rest] = x[~rest] @ weights.T + bias
    real = np.array([s.source != "made" for s in train])  # made sentences are too easy to be unsure of
    t = measures.temperature(aside[real], y[real]) if aside.any() else 1.0
    weights, bias = _fit(x, y, weight, recipe)
    return Linear(weights / t, bias / t, recipe)


def _fit(
    x: NDArray[np.float32], y: NDArray[np.int64], weight: Floats, recipe: SentimentRecipe
) -> tuple[Floats, Floats]:
    from scipy.sparse import csr_matrix
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=recipe.net.penalty, class_weight="balanced", max_iter=2_000)
    model.fit(csr_matrix(x), y, sample_weight=weight)
    return model.coef_, model.intercept_
