"""Noise suppression by a mask on the spectrum, trained by `allo train denoise` (`pipelines/nets/denoise_mask.py`). 20 ms late.

The spectra are numpy's, the recurrent net is onnxruntime's: torch is not needed.
"""

from pathlib import Path

import numpy as np

from pipelines.adapters.denoise.blocks import Blocks
from pipelines.adapters.denoise.session import StatefulSession, Tensors
from pipelines.audio.lapped import ANALYSIS, BAND, HOP, SIZE, SYNTHESIS
from pipelines.models.ports import Audio

Remembered = tuple[Audio, Audio, Tensors]
"""The last 352 samples, what the last frame still adds to the next 160, and the net's state."""


class SpectralMask(Blocks):
    """One instance serves all calls, from one thread at a time."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds `denoise.onnx`. Raises ModelError when it cannot be loaded."""
        super().__init__(block=HOP, lag=HOP)
        self._net = StatefulSession(folder / "denoise.onnx")

    def remembered(self) -> Remembered:
        return np.zeros(SIZE - HOP, np.float32), np.zeros(HOP, np.float32), self._net.initial_state()

    def clean(self, audio: Audio, remembered: Remembered) -> tuple[Audio, Remembered]:
        heard, late, state = remembered
        heard = np.concatenate((heard, audio))
        frames = np.lib.stride_tricks.sliding_window_view(heard, SIZE)[::HOP] * ANALYSIS
        spectra = np.fft.rfft(frames).astype(np.complex64)
        band = spectra[:, :BAND]
        gains, state = self._net.run((band.real**2 + band.imag**2)[np.newaxis], state)
        spectra[:, :BAND] *= gains[0]
        spectra[:, BAND:] *= gains[0, :, -1:]  # above the telephone's band, as at its edge
        made = np.fft.irfft(spectra, SIZE)[:, -2 * HOP :].astype(np.float32) * SYNTHESIS
        tails = np.concatenate((late[np.newaxis], made[:, HOP:]))
        return (made[:, :HOP] + tails[:-1]).ravel(), (heard[-(SIZE - HOP) :], tails[-1], state)
