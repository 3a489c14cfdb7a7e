"""What an end-of-turn net sees of the last seconds: the telephone's bands, and the melody of the voice.

A frame every 10 ms, as in `features.py`, of 34 numbers: 31 log-mel bands up to 4 kHz, made equally loud (the loud tenth of what
is seen is at 0); how far the pitch lies from the middle of this voice, in octaves; how clearly there is a pitch, 0 to 1; and 1,
which is 0 in frames before the audio began. The window has a fixed length and ends with the audio.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.features import HOP, WINDOW, Features
from pipelines.units import SAMPLE_RATE

Floats = NDArray[np.float32]

BANDS = 31
SIZE = BANDS + 3

_MEL = Features("log_mel", bands=40)
_FLOOR = -14.0  # 61 dB below the loud tenth
_LOW, _HIGH = 70, 400  # Hz of a voice
_VOICED = 0.5
_SPAN = SAMPLE_RATE // 50  # samples at half the rate: 40 ms


def raw(audio: Floats) -> Floats:
    """Bands, pitch (octaves above 100 Hz) and its clearness of each frame, (frames, BANDS + 2): nothing depends on the rest."""
    bands = _MEL(audio)[:, :BANDS]
    return np.concatenate((bands, pitch(audio, len(bands))), axis=1)


def seen(frames: Floats, length: int) -> Floats:
    """The last `length` of raw frames as the net sees them, (length, SIZE)."""
    frames = frames[-length:]
    out = np.zeros((length, SIZE), np.float32)
    if not len(frames):
        return out
    loudness = frames[:, :BANDS].mean(axis=1)
    level = np.sort(loudness)[-max(1, len(loudness) // 10) :].mean()
    octaves, clear = frames[:, BANDS], frames[:, BANDS + 1]
    voiced = clear > _VOICED
    middle = np.median(octaves[voiced]) if voiced.any() else 0.0
    at = length - len(frames)
    out[at:, :BANDS] = np.maximum(frames[:, :BANDS] - level, _FLOOR)
    out[at:, BANDS] = np.where(voiced, np.clip(octaves - middle, -1.5, 1.5), 0.0)
    out[at:, BANDS + 1] = clear
    out[at:, BANDS + 2] = 1.0
    return out


def pitch(audio: Floats, frames: int) -> Floats:
    """(frames, 2): octaves above 100 Hz, and the height of the autocorrelation there, 0 to 1 (0.5 and more is a voice).

    Frame t looks at 40 ms around the middle of the log-mel frame t. (The autocorrelation of a window falls with the lag only
    because the window does: divided by the window's own, as in P. Boersma, "Accurate short-term analysis of the fundamental
    frequency", 1993.)
    """
    half = audio[: audio.size // 2 * 2].reshape(-1, 2).mean(axis=1) if audio.size > 1 else audio
    hop, before = HOP // 2, _SPAN // 2 - WINDOW // 4
    padded = np.zeros(before + hop * (frames - 1) + _SPAN, np.float32)
    padded[before : before + half.size] = half[: padded.size - before]
    looks = np.lib.stride_tricks.sliding_window_view(padded, _SPAN)[::hop]
    looks = (looks - looks.mean(axis=1, keepdims=True)) * _HANN
    likeness = _autocorrelation(looks)
    likeness = likeness / np.maximum(likeness[:, :1], 1e-8) / _ITSELF
    low, high = SAMPLE_RATE // 2 // _HIGH, SAMPLE_RATE // 2 // _LOW
    # A shorter period is preferred a little: twice the period is as alike.
    weighed = likeness[:, low:high] - 0.05 * np.log2(np.arange(low, high) / low)
    best = low + np.argmax(weighed, axis=1)
    rows = np.arange(len(looks))
    a, b, c = (likeness[rows, best + d] for d in (-1, 0, 1))
    bend = a - 2 * b + c
    lag = best + np.where(bend < 0, np.clip(0.5 * (a - c) / np.minimum(bend, -1e-8), -0.5, 0.5), 0.0)
    return np.stack((np.log2(SAMPLE_RATE / 2 / lag / 100), np.clip(b, 0, 1)), axis=1).astype(np.float32)


def _autocorrelation(looks: Floats) -> Floats:
    size = 2 ** int(np.ceil(np.log2(2 * _SPAN)))
    return np.fft.irfft(np.abs(np.fft.rfft(looks, size)) ** 2)[..., :_SPAN]


_HANN = np.hanning(_SPAN + 2)[1:-1].astype(np.float32)
_ITSELF = np.maximum(_autocorrelation(_HANN[None])[0] / (_HANN**2).sum(), 0.05)
