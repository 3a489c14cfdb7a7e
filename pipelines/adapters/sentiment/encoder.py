"""A text encoder with three classes on top, as ONNX, and the tokenizer it was taught with. Needs onnxruntime and tokenizers; no torch."""

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from pipelines.adapters.sentiment.answer import answer
from pipelines.adapters.tts.onnx import open_session
from pipelines.errors import ModelError

WEIGHTS = "model.onnx"
TOKENIZER = "tokenizer.json"
LONGEST = 128
"""Tokens; of a longer text the last ones, since what was said last counts."""


class EncoderSentiment:
    """Serves all calls; keeps nothing between them."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """`folder`: `model.onnx`, which makes log-probabilities (1, 3) of `ids` int64 (1, T), and `tokenizer.json`. Raises ModelError."""
        self._session = open_session(folder / WEIGHTS, threads)
        try:
            self._tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:  # the library raises a bare Exception
            raise ModelError(f"{folder / TOKENIZER} is no tokenizer: {error}. Export the model again.") from error
        self._tokenizer.no_padding()
        self._tokenizer.no_truncation()

    def analyze(self, text: str, language: str) -> dict[str, float]:
        """Probabilities of "negative", "neutral", "positive"; `language` changes nothing. No words: neutral. Raises ModelError."""
        ids = self._tokenizer.encode(text).ids[-LONGEST:]
        if not ids or not any(map(str.isalnum, text)):
            return answer(np.array([-np.inf, 0.0, -np.inf]))
        try:
            return answer(self._session.run(None, {"ids": np.array([ids], np.int64)})[0][0])
        except Exception as error:  # onnxruntime's exceptions share no base
            raise ModelError("the sentiment network failed.") from error
