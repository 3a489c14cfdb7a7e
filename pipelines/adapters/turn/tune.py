"""Ends of turns by a net trained here (`training/turn`): telephone bands and the melody of the voice over the last seconds. Needs
onnxruntime and one file, `ending.onnx`, of half a megabyte."""

from pathlib import Path

import numpy as np
import onnxruntime

from pipelines.audio.tune import raw, seen
from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE

FILE = "ending.onnx"


class TuneTurn:
    """One instance serves all calls, from one thread at a time; keeps nothing between calls."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds `ending.onnx`. Raises ModelError when it cannot be loaded."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = folder / FILE
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            self._frames = int(self._session.get_inputs()[0].shape[1])
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError(f"{path} is missing or is no end-of-turn net: run `allo models pull`.") from error
        self.p_end(np.zeros(0, np.float32))  # the first run allocates: not while a caller waits

    def p_end(self, audio: Audio) -> float:
        """Probability that the turn is over; the last seconds count, as many as it was trained on. Raises ModelError."""
        heard = audio[-(self._frames + 2) * SAMPLE_RATE // 100 :]
        try:
            frames = (
                seen(raw(heard), self._frames) if heard.size else seen(raw(np.zeros(400, np.float32)), self._frames)
            )
            [p_end] = self._session.run(None, {"frames": frames[np.newaxis]})
        except Exception as error:
            raise ModelError("The end of a turn could not be judged.") from error
        return float(p_end[0])
