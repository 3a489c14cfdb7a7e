"""Beginnings of interruptions by a net trained here (`training/overlap`). Needs onnxruntime and two files: `overlap.onnx`, a quarter of a
megabyte, and `thresholds.json`, from which probability on the agent is to hold its breath."""

from pathlib import Path

import msgspec
import numpy as np

from pipelines.adapters.tts.onnx import open_session
from pipelines.audio.overlap_frames import overlap_frames
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

FILE = "overlap.onnx"
THRESHOLDS = "thresholds.json"


class GruOverlap:
    """One instance serves all calls, from one thread at a time; keeps nothing between calls."""

    def __init__(self, folder: Path) -> None:
        """Raises ModelError when `folder` does not hold both files."""
        self._session = open_session(folder / FILE, 1)
        try:
            self.thresholds = msgspec.json.decode((folder / THRESHOLDS).read_bytes(), type=dict[str, float])
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder / THRESHOLDS} cannot be read: run `allo models pull`.") from error
        self.p_interruption(np.zeros(1_600, np.float32))  # the first run allocates: not while a caller waits

    def p_interruption(self, audio: Audio) -> float:
        """What the net thinks at the end of `audio`. Raises ModelError."""
        try:
            [p] = self._session.run(None, {"frames": overlap_frames(audio)[np.newaxis]})
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError("Speech over the agent could not be judged.") from error
        return float(p[0, -1])
