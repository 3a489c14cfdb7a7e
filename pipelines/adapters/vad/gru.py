"""Voice activity by a net trained here (`training/vad`): log-mel of each window and a small recurrent memory. Needs onnxruntime
and one file, `voicing.onnx`, of half a megabyte. It was trained on telephone lines, at 16 kHz as they reach the call."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.audio.windows import CONTEXT, FRAMES, SPAN, WINDOW, seen
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

FILE = "voicing.onnx"


class GruVad:
    """A call's state is a float32 array: the net's memory (layers x width), then the last 208 samples heard.

    One instance serves all calls, from one thread at a time. A batch's results are those of its calls one by one, to
    float32 rounding.
    """

    window = WINDOW

    def __init__(self, folder: Path) -> None:
        """`folder` holds `voicing.onnx`. Raises ModelError when it cannot be loaded."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = folder / FILE
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
            frames, memory = self._session.get_inputs()
            self._bands = int(frames.shape[2]) // FRAMES
            self._layers, self._width = int(memory.shape[0]), int(memory.shape[2])
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError(f"{path} is missing or is no voice activity net: run `allo models pull`.") from error

    def initial_state(self) -> NDArray[np.float32]:
        return np.zeros(self._layers * self._width + CONTEXT, np.float32)

    def analyze(
        self, windows: Sequence[Audio], states: Sequence[NDArray[np.float32]]
    ) -> tuple[list[float], list[NDArray[np.float32]]]:
        """One window (512,) and state of each of n calls: probabilities, new states. Raises ModelError."""
        n, size = len(windows), self._layers * self._width
        if not n:
            return [], []
        spans = np.empty((n, SPAN), np.float32)
        try:
            state = np.array(states, dtype=np.float32)
            spans[:, :CONTEXT] = state[:, size:]
            spans[:, CONTEXT:] = windows
            memory = np.ascontiguousarray(state[:, :size].reshape(n, self._layers, self._width).transpose(1, 0, 2))
            frames = seen(spans, self._bands)[:, np.newaxis]
            p_speech, memory = self._session.run(None, {"frames": frames, "memory": memory})
        except Exception as error:
            raise ModelError("Voice activity detection failed.") from error
        new = np.empty_like(state)
        new[:, :size] = memory.transpose(1, 0, 2).reshape(n, size)
        new[:, size:] = spans[:, -CONTEXT:]
        return [float(p) for p in p_speech[:, 0]], list(new)
