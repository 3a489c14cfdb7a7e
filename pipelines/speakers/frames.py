"""What a speaker encoder hears: the same for training and serving, on the telephone and off it.

Log-mel bands whose middle lies below 3.7 kHz: what a telephone lets through, so that a voice enrolled from a wide-band recording can be
met again in a call. Clips are made equally loud, and each band's mean over the clip is taken away: it is the microphone's and the
line's rather than the voice's (cepstral mean subtraction, Atal 1974).
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.features import Features, mel_filters
from pipelines.models.ports import Audio

_BANDS = 64
_TOP_HZ = 3_700
_FEATURES = Features("log_mel", bands=_BANDS, levelled=True)
_KEPT = int((mel_filters(_BANDS).argmax(axis=1) * 40 < _TOP_HZ).sum())

SIZE = _KEPT
"""Numbers in a frame."""


def voice_frames(audio: Audio) -> NDArray[np.float32]:
    """float32 (frames, SIZE), a frame every 10 ms, of `audio` (float32, mono, 16 kHz, [-1, 1], shape (n,)); each column has mean 0."""
    frames = _FEATURES(audio)[:, :_KEPT]
    return frames - frames.mean(axis=0)
