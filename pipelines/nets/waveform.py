"""Filters that are learned: from samples to frames of 10 ms, where the other inputs have a Fourier transform and mel bands.

After Zeghidour et al., "Learning filterbanks from raw speech" (2018): pairs of convolutions (a wave and the same wave a quarter
period later), squared and added, so that a tone counts the same whatever its phase; smoothed; the logarithm. They begin as Gabor
wavelets at mel-spaced frequencies, that is as nearly the mel spectrum, and learn from there.
"""

import math

import numpy as np
import torch
from torch import Tensor, nn

from pipelines.audio.features import BINS, HOP, WINDOW, mel_filters
from pipelines.units import SAMPLE_RATE

_STEP = 40  # samples between two looks of a filter: 2.5 ms
_LOOKS = HOP // _STEP
SPAN = WINDOW + (_LOOKS - 1) * _STEP
"""Samples under one frame."""


class Waveform(nn.Module):
    """Samples (B, n, 1) to frames (B, `frames_out(n)`, bands); frame t sees samples [160 t, 160 t + 520)."""

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.bands = bands
        self.filters = nn.Conv1d(1, 2 * bands, WINDOW, stride=_STEP, bias=False)
        self.smoothing = nn.Conv1d(bands, bands, _LOOKS, stride=_LOOKS, groups=bands, bias=False)
        with torch.no_grad():
            self.filters.weight.copy_(_wavelets(bands))
            self.smoothing.weight.fill_(1 / _LOOKS)
        self.norm = nn.LayerNorm(bands)

    @staticmethod
    def frames_out(samples: int) -> int:
        """Less than a frame counts as one."""
        return 1 + max(0, samples - SPAN) // HOP

    def forward(self, samples: Tensor) -> Tensor:
        waves = samples.transpose(1, 2)
        if waves.shape[2] < SPAN:
            waves = nn.functional.pad(waves, (0, SPAN - waves.shape[2]))
        real, imaginary = self.filters(waves).chunk(2, dim=1)
        power = self.smoothing(real.square() + imaginary.square())
        # The smoothing may learn weights below zero; a logarithm takes no power below the floor.
        return self.norm(power.clamp_min(1e-5).log().transpose(1, 2))


def _wavelets(bands: int) -> Tensor:
    """Gabor wavelets, shape (2 bands, 1, WINDOW): a cosine and a sine for each mel band, as wide as the band in frequency."""
    filters = mel_filters(bands)
    bins = np.linspace(0, SAMPLE_RATE / 2, BINS)
    centres = filters @ bins
    widths = np.sqrt(np.maximum(filters @ bins**2 - centres**2, 40.0**2))  # Hz; the window itself blurs by about 40
    times = (np.arange(WINDOW) - WINDOW / 2) / SAMPLE_RATE
    angles = 2 * math.pi * centres[:, None] * times
    bells = np.exp(-0.5 * (2 * math.pi * widths[:, None] * times) ** 2)
    waves = np.concatenate((bells * np.cos(angles), bells * np.sin(angles)))
    waves /= np.linalg.norm(waves, axis=1, keepdims=True)
    return torch.from_numpy(waves[:, None].astype(np.float32))
