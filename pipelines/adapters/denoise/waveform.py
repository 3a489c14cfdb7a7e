"""Noise suppression on samples, trained by `allo train denoise` (`pipelines/nets/denoise_waveform.py`). 20 ms late.

Needs onnxruntime alone: what reaches from one block into the next goes in and out of the net as its state.
"""

from pathlib import Path

import numpy as np

from pipelines.adapters.denoise.blocks import Blocks
from pipelines.adapters.denoise.session import StatefulSession, Tensors
from pipelines.models.ports import Audio

_BLOCK = 128
_LAG = 192


class Waveform(Blocks):
    """One instance serves all calls, from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds `denoise.onnx`. Raises ModelError when it cannot be loaded."""
        super().__init__(block=_BLOCK, lag=_LAG)
        self._net = StatefulSession(folder / "denoise.onnx")

    def remembered(self) -> Tensors:
        return self._net.initial_state()

    def clean(self, audio: Audio, remembered: Tensors) -> tuple[Audio, Tensors]:
        cleaned, remembered = self._net.run(np.ascontiguousarray(audio[np.newaxis]), remembered)
        return cleaned[0], remembered
