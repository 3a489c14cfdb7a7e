"""Silero voice activity detection (version 6, ONNX, MIT) at 16 kHz. Needs onnxruntime and one 2.3 MB file.

Source: https://github.com/snakers4/silero-vad. The network sees a window of 512 samples with the 64 samples before it,
and keeps an LSTM state of 2 x 128 numbers. It is weak on 8 kHz input (high voices, short words), so it is always run at
16 kHz.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.errors import ModelError
from pipelines.models.ports import Audio

WINDOW = 512
_CONTEXT = 64
_LSTM = 2 * 128
_RATE = np.array(16_000, dtype=np.int64)


class SileroVad:
    """A call's state is a float32 array of shape (320,): the LSTM state (256), then the last 64 samples heard.

    One instance serves all calls, from one thread at a time. A batch of n windows costs far less than n runs; its
    results are those of n runs, to float32 rounding.
    """

    window = WINDOW

    def __init__(self, folder: Path) -> None:
        """`folder` holds `silero_vad.onnx`. Raises ModelError when it cannot be loaded."""
        options = onnxruntime.SessionOptions()
        # The matrices are small: more threads only spin, and take the cores that recognition and synthesis need.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = folder / "silero_vad.onnx"
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError(f"{path} is missing or is no ONNX model: run `allo models pull`.") from error

    def initial_state(self) -> NDArray[np.float32]:
        return np.zeros(_LSTM + _CONTEXT, np.float32)

    def analyze(
        self, windows: Sequence[Audio], states: Sequence[NDArray[np.float32]]
    ) -> tuple[list[float], list[NDArray[np.float32]]]:
        """One window (512,) and state (320,) of each of n calls: probabilities, new states. Raises ModelError."""
        n = len(windows)
        state = np.array(states, dtype=np.float32)
        audio = np.empty((n, _CONTEXT + WINDOW), np.float32)
        audio[:, :_CONTEXT] = state[:, _LSTM:]
        audio[:, _CONTEXT:] = windows
        lstm = np.ascontiguousarray(state[:, :_LSTM].reshape(n, 2, 128).transpose(1, 0, 2))
        try:
            p_speech, lstm = self._session.run(None, {"input": audio, "state": lstm, "sr": _RATE})
        except Exception as error:
            raise ModelError("Voice activity detection failed.") from error
        state[:, :_LSTM] = lstm.transpose(1, 0, 2).reshape(n, _LSTM)
        state[:, _LSTM:] = audio[:, -_CONTEXT:]
        return p_speech[:, 0].tolist(), list(state)
