"""What a caller hears while a tool takes long: a sound file, or a few soft chords of our own."""

from functools import lru_cache
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from pipelines.audio import g711
from pipelines.audio.resample import resample
from pipelines.errors import ModelError
from pipelines.frames import AudioFormat

LEVEL_DBFS = -30.0
"""Root mean square: ten decibels under the voice, so that nobody takes it for speech."""

_LENGTH_S = 12.0  # after which the caller is told again that it takes time
_FADE_S = 0.4
_RATE = 16_000
_CHORDS = ((220.00, 277.18, 329.63), (185.00, 220.00, 277.18), (146.83, 185.00, 220.00), (164.81, 207.65, 246.94))
"""Hertz: A, F sharp minor, D, E; under 1 kHz with their overtones, inside the telephone's band from the third note on."""
_CHORD_S = 3.0


@lru_cache
def hold_music(source: str, wire: AudioFormat) -> bytes:
    """At most 12 s of `source` ("soft": our own; otherwise a sound file, of which the channels are mixed) in a wire's format, at
    `LEVEL_DBFS`, faded in and out. Raises ModelError when the file cannot be read."""
    pcm, rate = _levelled(source)
    return g711.encode(resample(pcm, rate, wire.sample_rate), wire.encoding)


@lru_cache
def _levelled(source: str) -> tuple[NDArray[np.int16], int]:
    """Kept, so that a file which changes or goes concerns no call until the next start."""
    audio, rate = (soft_chords(), _RATE) if source == "soft" else _read(Path(source))
    level = np.sqrt(np.mean(np.square(audio))) if audio.size else 0.0
    if not level:
        raise ModelError(f"{source} is silent. Name another file, or none.")
    audio = audio * (10 ** (LEVEL_DBFS / 20) / level)
    fade = min(len(audio) // 2, round(_FADE_S * rate))
    ramp = np.linspace(0.0, 1.0, fade)
    audio[:fade] *= ramp
    audio[len(audio) - fade :] *= ramp[::-1]
    return np.rint(np.clip(audio, -1.0, 1.0) * 32767).astype(np.int16), rate


def soft_chords() -> NDArray[np.float64]:
    """Four broken chords at 16 kHz, the same at every call: each note a sine with two weak overtones that dies away."""
    audio = np.zeros(round(_LENGTH_S * _RATE))
    for n, chord in enumerate(_CHORDS):
        for k, pitch in enumerate((*chord, chord[1] * 2)):
            first = round((n * _CHORD_S + k * _CHORD_S / 4) * _RATE)
            seconds = np.arange(len(audio) - first) / _RATE
            tone = sum(np.sin(2 * np.pi * pitch * m * seconds) * 0.3 ** (m - 1) for m in (1, 2, 3))
            audio[first:] += tone * np.minimum(seconds / 0.03, 1.0) * np.exp(-seconds / 0.9)
    return audio


def _read(path: Path) -> tuple[NDArray[np.float64], int]:
    try:
        with soundfile.SoundFile(path) as sound:
            audio = sound.read(round(_LENGTH_S * sound.samplerate), dtype="float64", always_2d=True)
            return np.mean(audio, axis=1), sound.samplerate
    except (soundfile.LibsndfileError, OSError) as error:
        raise ModelError(f"{path} is no sound file that can be read. Mend it, or leave `hold_music` out.") from error
