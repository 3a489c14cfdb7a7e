"""Recordings of any rate and format, as every model here hears them."""

from pathlib import Path

import numpy as np
import soundfile

from pipelines.audio.resample import resample
from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE
from training.common.errors import DataError


def load(path: Path) -> Audio:
    """The recording at `path`: float32, mono (channels are averaged), 16 kHz, [-1, 1], shape (n,).

    Reads what libsndfile reads (WAV, FLAC, Ogg, MP3 ...). Raises DataError naming the file and the reason.
    """
    if not path.is_file():
        raise DataError(f"{path}: there is no such file.")
    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise DataError(f"{path}: cannot be read as audio ({error}).") from error
    if not len(samples):
        raise DataError(f"{path}: holds no sound.")
    mono = samples[:, 0] if samples.shape[1] == 1 else np.rint(samples.mean(axis=1)).astype(np.int16)
    return to_float(resample(mono, rate, SAMPLE_RATE))


def trimmed(audio: Audio, below_db: float) -> Audio:
    """What lies between the first and the last 5 ms that are within `below_db` dB of the loudest: recordings of single words are often cut that
    tight, and voices leave a third of a second of silence on both sides."""
    window = SAMPLE_RATE // 200
    frames = len(audio) // window
    powers = np.square(audio[: frames * window].reshape(frames, window), dtype=np.float64).mean(axis=1)
    if not frames or not powers.max():
        return audio
    loud = np.flatnonzero(powers > powers.max() * 10 ** (-below_db / 10))
    return audio[loud[0] * window : (loud[-1] + 1) * window]


def to_float(samples: np.ndarray) -> Audio:
    """int16 samples as float32 in [-1, 1)."""
    return samples.astype(np.float32) / 32_768


def to_int16(audio: Audio) -> np.ndarray:
    """Audio in [-1, 1] as int16; what is louder is clipped."""
    return np.clip(np.rint(audio * 32_768), -32_768, 32_767).astype(np.int16)
