"""What an overlap net hears of speech over the agent: the telephone's bands, whatever the line's loudness.

A frame every 10 ms, as in `features.py`, of 33 numbers: 31 log-mel bands up to 4 kHz, against the loudest frame so far; how loud the frame is
against that; and how loud that is. Frames do not depend on what comes later: those of a longer stretch begin with those of a shorter.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.features import Features

Floats = NDArray[np.float32]

BANDS = 31
SIZE = BANDS + 2

_MEL = Features("log_mel", bands=40)
_DEPTH = np.float32(-14.0)  # 61 dB below the loudest
_QUIET = np.float32(
    -12.0
)  # about -52 dB of full scale: what is quieter throughout counts as quiet, not as loud against nothing


def overlap_frames(audio: Floats) -> Floats:
    """(frames, SIZE) of audio (n,) that begins just before the onset."""
    bands = _MEL(audio)[:, :BANDS]
    loudness = bands.mean(axis=1)
    loudest = np.maximum.accumulate(np.maximum(loudness, _QUIET))
    out = np.empty((len(bands), SIZE), np.float32)
    out[:, :BANDS] = np.maximum(bands - loudest[:, None], _DEPTH)
    out[:, BANDS] = np.maximum(loudness - loudest, _DEPTH)
    out[:, BANDS + 1] = loudest - _QUIET
    return out
