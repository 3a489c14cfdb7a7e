"""What a voice activity net sees of a window: three frames of log-mel, made of the window and of the 208 samples before it.

A call is cut into windows of 512 samples (32 ms). Three frames of 25 ms, one every 10 ms, that end with the window need 720
samples; so a window is seen when it is over, with nothing of the next one, and each call keeps 208 samples between windows.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.features import HOP, Features
from pipelines.audio.features import WINDOW as FRAME

Floats = NDArray[np.float32]

WINDOW = 512
"""Samples from one window to the next."""

FRAMES = 3
"""Of a window."""

SPAN = FRAME + (FRAMES - 1) * HOP
"""Samples that these frames cover, 720: the window is the last 512 of them."""

CONTEXT = SPAN - WINDOW
"""Samples before the window that are seen again."""

_ROOM = -(-SPAN // HOP) * HOP  # a block in which every span begins at a whole hop


def seen(spans: Floats, bands: int) -> Floats:
    """Features of n windows with their contexts: (n, SPAN) samples in, (n, FRAMES * bands) out, frame after frame.

    All spans go through one transform; the frames that would lie across two of them are thrown away."""
    n = len(spans)
    blocks = np.zeros((n, _ROOM), np.float32)
    blocks[:, :SPAN] = spans
    flat = np.concatenate((blocks.ravel(), np.zeros(FRAME, np.float32)))
    frames = Features("log_mel", bands=bands)(flat)[: n * (_ROOM // HOP)]
    return frames.reshape(n, _ROOM // HOP, bands)[:, :FRAMES].reshape(n, FRAMES * bands)


def spans(audio: Floats) -> Floats:
    """The windows of a recording with their contexts, (n, SPAN); silence before the first. What is left over is dropped."""
    n = audio.size // WINDOW
    padded = np.concatenate((np.zeros(CONTEXT, np.float32), audio[: n * WINDOW]))
    if not n:
        return np.zeros((0, SPAN), np.float32)
    return np.lib.stride_tricks.sliding_window_view(padded, SPAN)[::WINDOW]
