"""Spectra of overlapping frames with a short delay: a long window to look with, a short one to write with.

A frame's frequency resolution comes from the length of the window that analyses it, its delay from the window that puts the
sound together again. So the first reaches far into the past and the second ends with it (Mauler and Martin, "A low delay,
variable resolution, perfect reconstruction spectral analysis-synthesis system", EUSIPCO 2007). Their product is a Hann window
over the last 20 ms, and Hann windows every 10 ms add up to one.

Sizes are samples at 16 kHz.
"""

import numpy as np

SIZE = 512
"""Of a frame that is analysed: 32 ms, bins of 31.25 Hz."""

HOP = 160
"""From frame to frame: 10 ms. The output of frame t ends `HOP` samples before its input does."""

BAND = 129
"""Bins up to 4 kHz, where the telephone ends."""

_RISE = SIZE - HOP
ANALYSIS = np.sqrt(
    np.concatenate(
        (
            np.sin(np.pi / 2 * (np.arange(_RISE) + 0.5) / _RISE) ** 2,
            np.cos(np.pi / 2 * (np.arange(HOP) + 0.5) / HOP) ** 2,
        )
    )
).astype(np.float32)
"""Float32, shape (512,)."""

_HANN = np.sin(np.pi * (np.arange(2 * HOP) + 0.5) / (2 * HOP)) ** 2
SYNTHESIS = (_HANN / ANALYSIS[-2 * HOP :]).astype(np.float32)
"""Float32, shape (320,): for the last 320 samples of a frame."""
