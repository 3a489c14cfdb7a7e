"""Smart Turn v3.2: whether a caller has finished, by the sound of his last words (ONNX, 8.7 MB, BSD-2-Clause).

Source: https://github.com/pipecat-ai/smart-turn. The encoder of Whisper tiny with a classifier on top, trained on people
who had finished and people who only paused. It hears how words are said and not what they mean; noise or silence alone
sounds finished to it (0.98). Its weights are int8, so p_end is coarse: the third digit changes with the rounding.
"""

from pathlib import Path

import numpy as np
import onnxruntime
from faster_whisper.feature_extractor import FeatureExtractor
from numpy.typing import NDArray

from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE

_SECONDS = 8
_SAMPLES = _SECONDS * SAMPLE_RATE
_FILE = "smart-turn-v3.2-cpu.onnx"
_WHISPER = FeatureExtractor(chunk_length=_SECONDS)


class SmartTurn:
    """One instance serves all calls, from one thread at a time; keeps nothing between calls."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds `smart-turn-v3.2-cpu.onnx`. Raises ModelError when it cannot be loaded."""
        options = onnxruntime.SessionOptions()
        # One thread: meanwhile the same words are being recognised on the other cores.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3
        path = folder / _FILE
        try:
            self._session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base of their own
            raise ModelError(f"{path} is missing or is no ONNX model: run `allo models pull`.") from error
        self.p_end(np.zeros(0, np.float32))  # the first run allocates: not while a caller waits

    def p_end(self, audio: Audio) -> float:
        """Probability that the turn is over; of more than 8 s the last 8 count. Raises ModelError."""
        try:
            [p_end] = self._session.run(None, {"input_features": log_mel(audio)[np.newaxis]})
        except Exception as error:
            raise ModelError("The end of a turn could not be judged.") from error
        return float(p_end[0, 0])


def log_mel(audio: Audio) -> NDArray[np.float32]:
    """What the network sees: Whisper's log-mel spectrogram of the last 8 s, (80, 800), silence before what is shorter.

    As `WhisperFeatureExtractor(chunk_length=8)` of transformers computes it with `do_normalize=True`: the waveform,
    padding included, is brought to mean 0 and variance 1, so a quiet line looks like a loud one.
    """
    heard = audio[-_SAMPLES:]
    window = np.zeros(_SAMPLES, np.float32)
    window[_SAMPLES - heard.size :] = heard
    window -= window.mean()
    window /= np.sqrt(window.var() + 1e-7)
    return _WHISPER(window, padding=0)
