"""A small network with a state, by onnxruntime on one thread: `state_0`... go in, the outputs after the first come back as such."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.errors import ModelError

Tensors = tuple[NDArray[np.float32], ...]


class StatefulSession:
    """One instance serves all calls, from one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Raises ModelError when the file cannot be loaded."""
        options = onnxruntime.SessionOptions()
        # The matrices are small: more threads only spin, and take the cores that recognition and synthesis need.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError(
                f"{path} is missing or is no ONNX model: run `allo models pull`, or export it again."
            ) from error
        first, *states = self._session.get_inputs()
        self._names = [first.name, *(each.name for each in states)]
        self._shapes = [tuple(each.shape) for each in states]

    def initial_state(self) -> Tensors:
        return tuple(np.zeros(shape, np.float32) for shape in self._shapes)

    def run(self, given: NDArray[np.float32], state: Tensors) -> tuple[NDArray[np.float32], Tensors]:
        """The net's answer to `given` and the state after it. Raises ModelError."""
        try:
            answer, *after = self._session.run(None, dict(zip(self._names, (given, *state), strict=True)))
        except Exception as error:
            raise ModelError("Noise suppression failed.") from error
        return answer, tuple(after)
