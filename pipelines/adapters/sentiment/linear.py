"""Sentiment of a sentence as a weighted sum of its words (`pipelines.nets.sentiment_words`). Numpy alone; some microseconds a word."""

import zipfile
from pathlib import Path

import numpy as np

from pipelines.adapters.sentiment.answer import LABELS, answer
from pipelines.errors import ModelError
from pipelines.nets.sentiment_words import SIZE, sentence

WEIGHTS = "linear.npz"
LEXICONS = "lexicon_{}.txt"
LANGUAGES = ("en", "fr")


class LinearSentiment:
    """Serves all calls, from any thread; keeps nothing between them."""

    def __init__(self, folder: Path) -> None:
        """`folder`: `linear.npz` with weights (3, SIZE) and bias (3,), `lexicon_en.txt` and `lexicon_fr.txt`. Raises ModelError."""
        try:
            with np.load(folder / WEIGHTS, allow_pickle=False) as held:
                self._weights, self._bias = held["weights"].astype(np.float32), held["bias"].astype(np.float32)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(f"{folder / WEIGHTS} cannot be read: {error}. Export the model again.") from error
        if self._weights.shape != (len(LABELS), SIZE) or self._bias.shape != (len(LABELS),):
            raise ModelError(f"{folder / WEIGHTS} has weights {self._weights.shape} instead of {(len(LABELS), SIZE)}.")
        self._lexicons = {language: read_lexicon(folder / LEXICONS.format(language)) for language in LANGUAGES}

    def analyze(self, text: str, language: str) -> dict[str, float]:
        """Probabilities of "negative", "neutral", "positive". `language`: ISO 639-1; another than en and fr is read as English.
        No words: neutral."""
        if not any(map(str.isalnum, text)):
            return answer(np.array([-np.inf, 0.0, -np.inf]))
        known = language if language in self._lexicons else "en"
        return answer(self._weights @ sentence(text, known, self._lexicons[known]) + self._bias)


def read_lexicon(path: Path) -> dict[str, float]:
    """A word, a tab and a number from -4 to 4 a line; # begins a remark. Raises ModelError."""
    try:
        lines = [line.split("\t") for line in path.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
        return {word: float(value) for word, value in lines}
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} is no lexicon: {error}. Export the model again.") from error
