"""The network on prosody and log-mel frames (`pipelines.nets.emotion`), by onnxruntime: serving needs no torch."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.emotion import verdict
from pipelines.adapters.tts.onnx import open_session
from pipelines.audio.emotion_frames import emotion_frames
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

WEIGHTS = "model.onnx"


class FramesEmotion:
    """Serves all calls, keeps nothing between them."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """`folder`: `emotion.json` and `model.onnx`, which makes log-probabilities (1, labels) of `frames` (1, T, SIZE). Raises
        ModelError."""
        self._verdict = verdict.read(folder)
        self._session = open_session(folder / WEIGHTS, threads)

    @property
    def labels(self) -> tuple[str, ...]:
        return self._verdict.labels

    @property
    def thresholds(self) -> dict[str, float]:
        """From which probability on a label may be said of a caller."""
        return self._verdict.thresholds

    def recognize(self, audio: Audio) -> dict[str, float]:
        """Probabilities of the labels. Of a long clip its last ten seconds. Raises ModelError."""
        return self._verdict.of(audio, self._scores)

    def _scores(self, audio: Audio) -> NDArray[np.float32]:
        try:
            return self._session.run(None, {"frames": emotion_frames(audio)[None]})[0][0]
        except Exception as error:  # onnxruntime's exceptions share no base
            raise ModelError("the emotion network failed.") from error
