"""The ECAPA-TDNN of `training/speakers` by onnxruntime. Needs no torch."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.tts.onnx import open_session
from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.speakers.frames import SIZE, voice_frames
from pipelines.units import SAMPLE_RATE

FILE = "speaker.onnx"
THRESHOLDS = "thresholds.json"
_LEAST = SAMPLE_RATE // 4


class Ecapa:
    """Serves all calls, from one thread at a time; keeps nothing between them. Same audio, same voice."""

    size: int
    thresholds: Mapping[str, float]
    """By condition ("clean", "noisy", "short": 2 s): cosines from which one person is taken to have spoken both, wrongly in about one
    of a hundred pairs of people; "same" and "other" are those of `speakers.diarize.Settings`. Measured on people who were not trained
    on; {} when nobody did."""

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        """`folder` holds `speaker.onnx`. Raises ModelError."""
        self._session = open_session(folder / FILE, threads)
        inputs, outputs = self._session.get_inputs()[0], self._session.get_outputs()[0]
        if inputs.shape[-1] != SIZE or not isinstance(outputs.shape[-1], int):
            raise ModelError(f"{folder / FILE} takes {inputs.shape[-1]} bands and not {SIZE}. Export it again.")
        self.size = outputs.shape[-1]
        self._input = inputs.name
        path = folder / THRESHOLDS
        try:
            self.thresholds = msgspec.json.decode(path.read_bytes(), type=dict[str, float]) if path.exists() else {}
        except (OSError, msgspec.DecodeError) as error:
            raise ModelError(f"{path}: {error}. Export the model again.") from error

    def embed(self, audio: Audio) -> NDArray[np.float32]:
        """Float32 (size,), length 1. `audio`: a quarter of a second at least, and best 2 s and more of one person's speech. Raises ModelError."""
        if audio.size < _LEAST:
            raise ModelError(f"a voice needs a quarter of a second at least, not {audio.size / SAMPLE_RATE:.2f} s.")
        try:
            voice = self._session.run(None, {self._input: voice_frames(audio)[None]})[0][0]
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError("The speaker encoder failed.") from error
        return voice / max(float(np.linalg.norm(voice)), 1e-9)
