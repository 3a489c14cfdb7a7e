"""From a call's 16 kHz to the 48 kHz that music-band denoisers work at, and back.

Blocks of 10 ms. The filters of `pipelines/audio/resample.py` hold samples back, and a frame cannot begin before it is whole: output waits for
both.
"""

import copy
from abc import abstractmethod
from typing import Any

import numpy as np

from pipelines.adapters.denoise.blocks import Blocks
from pipelines.audio.resample import Resampler
from pipelines.models.ports import Audio

BLOCK = 160
"""Samples at 16 kHz."""

FRAME = 3 * BLOCK
"""Samples at 48 kHz: 10 ms."""

_HELD = BLOCK + 32
"""Samples at 16 kHz that are given out later: a frame that misses a sample, and the 24 that the filter down holds back."""

Remembered = tuple[Resampler, Resampler, Audio, Audio, Any]
"""Filters up and down, samples at 48 kHz short of a frame, samples at 16 kHz not given out yet, the denoiser's own."""


class Wide(Blocks):
    """A denoiser of frames of 480 samples at 48 kHz. Subclasses say how a call begins and what becomes of a frame."""

    def __init__(self, lag: int) -> None:
        """`lag`: samples at 48 kHz by which `frame` is late, a multiple of 3."""
        super().__init__(block=BLOCK, lag=_HELD + lag // 3)

    @abstractmethod
    def begun(self) -> Any:
        """The denoiser's own state at the start of a call."""

    @abstractmethod
    def frame(self, samples: Audio, own: Any) -> tuple[Audio, Any]:
        """480 samples at 48 kHz, [-1, 1]: as many, cleaned, and the state after them. Raises ModelError."""

    def remembered(self) -> Remembered:
        nothing = np.zeros(0, np.float32)
        return Resampler(16_000, 48_000), Resampler(48_000, 16_000), nothing, np.zeros(_HELD, np.float32), self.begun()

    def clean(self, audio: Audio, remembered: Remembered) -> tuple[Audio, Remembered]:
        up, down, waiting, ready, own = remembered
        up, down = copy.copy(up), copy.copy(down)  # they replace what they hold, and change none of it
        line = np.concatenate((waiting, _float(up.process(_int16(audio)))))
        whole = line.size // FRAME * FRAME
        cleaned = []
        for at in range(0, whole, FRAME):
            samples, own = self.frame(line[at : at + FRAME], own)
            cleaned.append(samples)
        if cleaned:
            ready = np.concatenate((ready, _float(down.process(_int16(np.concatenate(cleaned))))))
        return ready[: audio.size], (up, down, line[whole:], ready[audio.size :], own)


def _int16(audio: Audio) -> np.ndarray:
    return np.clip(np.rint(audio * 32_768), -32_768, 32_767).astype(np.int16)


def _float(samples: np.ndarray) -> Audio:
    return samples.astype(np.float32) / 32_768
