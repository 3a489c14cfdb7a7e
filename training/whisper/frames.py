"""The context of an utterance, filled as the server fills it."""

import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.stt.context import FULL


def in_context(features: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Features (bins, n) in a context of `frames`, as the server fills it: with the utterance's own minimum. A longer utterance is cut."""
    padded = np.full((features.shape[0], frames), features.min(), np.float32)
    padded[:, : min(features.shape[1], frames)] = features[:, :frames]
    return padded


def context_frames(longest: int, margin_s: float) -> int:
    """Frames of the context for utterances of at most `longest` frames and `margin_s` seconds behind them: even, at most 30 s."""
    return min(FULL, (longest + round(100 * margin_s) + 1) // 2 * 2)
