"""Sound as a spectrum and back, for nets that mask it: 32 ms under the square root of a Hann window, every 16 ms, so that what is
analysed and put together again is the sound itself."""

import numpy as np
from numpy.typing import NDArray

from pipelines.models.ports import Audio

FRAME, HOP = 512, 256
BINS = FRAME // 2 + 1
KEPT = 129
"""Bins up to 4 kHz, which is all that a telephone carries; those above are silenced."""

WINDOW = np.sqrt(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)).astype(np.float32)

_POWER = 0.3


def analysed(audio: Audio) -> NDArray[np.complex64]:
    """(frames, BINS); half a frame of silence is put before and enough behind."""
    count = -(-audio.size // HOP) + 1
    padded = np.pad(audio, (HOP, count * HOP + FRAME - HOP - audio.size))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP][:count]
    return np.fft.rfft(frames * WINDOW).astype(np.complex64)


def joined(spectra: NDArray[np.complex64], samples: int) -> Audio:
    """The sound of `analysed(audio)` again; `samples`: how long it was."""
    frames = np.fft.irfft(spectra, FRAME).astype(np.float32) * WINDOW
    out = np.zeros((len(frames) + 1) * HOP, np.float32)
    for i, frame in enumerate(frames):
        out[i * HOP : i * HOP + FRAME] += frame
    return out[HOP : HOP + samples]


def compressed(spectra: NDArray[np.complex64]) -> NDArray[np.float32]:
    """What a masking net is given: magnitudes of the kept bins, to the power of 0.3, (frames, KEPT)."""
    return np.abs(spectra[:, :KEPT]) ** _POWER
