"""One weighted sum for each label: of an utterance's functionals (`pipelines.audio.prosody`), in numpy alone."""

import zipfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.emotion import verdict
from pipelines.audio.prosody import NAMES, functionals
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

WEIGHTS = "linear.npz"


class FunctionalsEmotion:
    """Serves all calls; keeps nothing between them."""

    def __init__(self, folder: Path) -> None:
        """`folder`: `emotion.json`, and `linear.npz` with weights (labels, len(NAMES)) and bias (labels,). Raises ModelError."""
        self._verdict = verdict.read(folder)
        self._weights, self._bias = read_weights(folder, len(self._verdict.labels), len(NAMES))

    @property
    def labels(self) -> tuple[str, ...]:
        return self._verdict.labels

    @property
    def thresholds(self) -> dict[str, float]:
        """From which probability on a label may be said of a caller."""
        return self._verdict.thresholds

    def recognize(self, audio: Audio) -> dict[str, float]:
        """Probabilities of the labels. Of a long clip its last ten seconds."""
        return self._verdict.of(audio, lambda clip: self._weights @ functionals(clip) + self._bias)


def read_weights(folder: Path, labels: int, size: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Raises ModelError when the file is missing, broken, or of other shapes."""
    try:
        with np.load(folder / WEIGHTS, allow_pickle=False) as held:
            weights, bias = held["weights"], held["bias"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{folder / WEIGHTS} cannot be read: {error}. Export the model again.") from error
    if weights.shape != (labels, size) or bias.shape != (labels,):
        raise ModelError(
            f"{folder / WEIGHTS} has weights {weights.shape} instead of {(labels, size)}: made for other features."
        )
    return weights, bias
