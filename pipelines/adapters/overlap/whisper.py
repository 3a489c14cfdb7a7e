"""Beginnings of interruptions by a small net (`training/overlap`) on what Whisper's encoder makes of the first syllables.

Whisper has heard 680 000 hours of everybody: its states tell "mm" from "wait" for a voice that the small net never met, after two tenths of a second, where
no word can be written yet. The encoder is that of a recogniser in the store, in a context of 1.28 s; the net is half a megabyte.
"""

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.stt.whisper import Whisper
from pipelines.adapters.tts.onnx import open_session
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

FILE = "overlap.onnx"
THRESHOLDS = "thresholds.json"
_CONTEXT = 128  # frames of 10 ms; less than a second is asked about


def states_of(encoder: Whisper, audio: Audio) -> NDArray[np.float32]:
    """(n, 512): what `encoder` makes of `audio` (less than 1.28 s), a state every 20 ms."""
    return encoder.states(audio, _CONTEXT)


class WhisperOverlap:
    """One instance serves all calls, from one thread at a time; keeps nothing between calls."""

    def __init__(self, folder: Path, encoder: Path) -> None:
        """`encoder`: the folder of the Whisper whose states the net was taught by. Raises ModelError when a file is missing or broken."""
        self._session = open_session(folder / FILE, 1)
        try:
            self.thresholds = msgspec.json.decode((folder / THRESHOLDS).read_bytes(), type=dict[str, float])
        except (OSError, ValueError) as error:
            raise ModelError(f"{folder / THRESHOLDS} cannot be read: run `allo models pull`.") from error
        self._encoder = Whisper(encoder, threads=1)
        self.p_interruption(np.zeros(1_600, np.float32))  # the first run allocates: not while a caller waits

    def p_interruption(self, audio: Audio) -> float:
        """What the net thinks at the end of `audio`. Raises ModelError."""
        try:
            return self.answer(self.states(audio))
        except Exception as error:  # onnxruntime's and CTranslate2's exceptions have no common base of their own
            raise ModelError("Speech over the agent could not be judged.") from error

    def states(self, audio: Audio) -> NDArray[np.float32]:
        """(n, 512): what the net is shown of `audio`."""
        return states_of(self._encoder, audio)

    def answer(self, states: NDArray[np.float32]) -> float:
        """What the net thinks of them."""
        shape = self._session.get_inputs()[0].shape
        padded, length = np.zeros(shape, np.float32), min(len(states), shape[1])
        padded[0, :length] = states[:length]
        [p] = self._session.run(None, {"states": padded, "lengths": np.array([length], np.int64)})
        return float(p[0])
