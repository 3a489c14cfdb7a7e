"""Frames for the emotion network: 40 log-mel bands of the levelled clip beside its prosody, one every 10 ms."""

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.features import Features
from pipelines.audio.prosody import COLUMNS, prosody

_MEL = Features(kind="log_mel", bands=40, levelled=True)
SIZE = _MEL.size + len(COLUMNS)
"""Numbers in a frame."""


def emotion_frames(audio: NDArray[np.float32]) -> NDArray[np.float32]:
    """`audio` (float32, 16 kHz, [-1, 1], shape (n,)) as float32 (frames, SIZE)."""
    return np.concatenate([_MEL(audio), prosody(audio)], axis=1)
