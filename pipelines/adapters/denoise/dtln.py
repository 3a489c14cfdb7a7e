"""DTLN noise suppression (two ONNX files, 4 MB, MIT) at 16 kHz, for what voice activity detection hears.

Source: Westhausen and Meyer, "Dual-Signal Transformation LSTM Network for Real-Time Noise Suppression", Interspeech
2020, https://github.com/breizhn/DTLN. Blocks of 512 samples every 128: the first network masks the spectrum's magnitude
(the noisy phase stays), the second works on the samples; the blocks are overlapped and added.
"""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from pipelines.errors import ModelError
from pipelines.models.ports import Audio

_BLOCK = 512
_HOP = 128
_LSTM_SHAPE = (1, 2, 128, 2)

State = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]
"""Last 512 samples in, 512 samples out that later blocks still add to, and the two networks' LSTM states."""


class Dtln:
    """One instance serves all calls, from one thread at a time; each call keeps its `State`, which `denoise` never
    changes."""

    delay = _BLOCK - _HOP

    def __init__(self, folder: Path) -> None:
        """`folder` holds `model_1.onnx` and `model_2.onnx`. Raises ModelError when they cannot be loaded."""
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._spectrum, self._signal = (
                onnxruntime.InferenceSession(folder / name, options, providers=["CPUExecutionProvider"])
                for name in ("model_1.onnx", "model_2.onnx")
            )
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError(f"DTLN's two models cannot be loaded from {folder}: run `allo models pull`.") from error
        self._spectrum_inputs = [i.name for i in self._spectrum.get_inputs()]
        self._signal_inputs = [i.name for i in self._signal.get_inputs()]

    def initial_state(self) -> State:
        silence, lstm = np.zeros(_BLOCK, np.float32), np.zeros(_LSTM_SHAPE, np.float32)
        return silence, silence, lstm, lstm

    def denoise(self, audio: Audio, state: object) -> tuple[Audio, State]:
        """`audio`: a whole number of hops of 128 samples, else ModelError; as many come out, 384 samples (24 ms)
        late."""
        if audio.size % _HOP:
            raise ModelError(f"DTLN takes whole hops of {_HOP} samples, not {audio.size} samples.")
        heard, tail, lstm_1, lstm_2 = state
        heard = np.concatenate((heard, audio))
        out = np.concatenate((tail, np.zeros(audio.size, np.float32)))
        for at in range(0, audio.size, _HOP):
            block = heard[at + _HOP : at + _HOP + _BLOCK]
            clean, lstm_1, lstm_2 = self._clean(block, lstm_1, lstm_2)
            out[at + _HOP : at + _HOP + _BLOCK] += clean
        return out[_HOP : _HOP + audio.size], (heard[-_BLOCK:], out[-_BLOCK:], lstm_1, lstm_2)

    def _clean(
        self, block: Audio, lstm_1: NDArray[np.float32], lstm_2: NDArray[np.float32]
    ) -> tuple[Audio, NDArray[np.float32], NDArray[np.float32]]:
        spectrum = np.fft.rfft(block)
        magnitude = np.abs(spectrum).astype(np.float32).reshape(1, 1, -1)
        try:
            mask, lstm_1 = self._spectrum.run(None, dict(zip(self._spectrum_inputs, (magnitude, lstm_1), strict=True)))
            masked = np.fft.irfft(spectrum * mask[0, 0]).astype(np.float32).reshape(1, 1, -1)
            clean, lstm_2 = self._signal.run(None, dict(zip(self._signal_inputs, (masked, lstm_2), strict=True)))
        except Exception as error:
            raise ModelError("Noise suppression failed.") from error
        return clean[0, 0], lstm_1, lstm_2
