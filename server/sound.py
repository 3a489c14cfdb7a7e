"""A sound file that somebody sent: WAV or FLAC, small, short, and nothing believed that its header says."""

from io import BytesIO

import numpy as np
import soundfile
from numpy.typing import NDArray

from pipelines.audio import g711
from pipelines.audio.resample import resample
from pipelines.errors import AlloError
from pipelines.frames import Encoding
from pipelines.units import SAMPLE_RATE

LIMIT_BYTES = 6 << 20
"""15 s of two channels at 48 kHz and 32 bits, and some."""
LIMIT_S = 15.0
"""A long utterance; more would keep the recogniser from a call that begins."""
_SHORTEST_S = 0.1
_RATES = (8_000, 48_000)
_TELEPHONE = 8_000


class SoundError(AlloError):
    """What is wrong with a file, with the mend; never what is in it."""


def heard(data: bytes) -> NDArray[np.float32]:
    """The file as a telephone brings it (8 kHz, mu-law), float32, mono, 16 kHz. Raises SoundError."""
    # libsndfile reads two dozen formats; only these two are let near it.
    if not (data[:4] == b"fLaC" or (data[:4] in (b"RIFF", b"RIFX") and data[8:12] == b"WAVE")):
        raise SoundError("the clip is no WAV or FLAC file. Send one of these.")
    try:
        with soundfile.SoundFile(BytesIO(data)) as sound:
            rate = sound.samplerate
            if not _RATES[0] <= rate <= _RATES[1] or sound.channels > 2:
                raise SoundError("the clip has a strange form. Send one or two channels at 8 to 48 kHz.")
            # One frame more than there may be: six megabytes of FLAC can hold a day of silence, whatever the header says.
            limit = int(LIMIT_S * rate)
            audio = sound.read(limit + 1, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError, ValueError, RuntimeError) as error:
        raise SoundError("the clip cannot be read. Send a whole WAV or FLAC file.") from error
    if len(audio) > limit:
        raise SoundError(f"the clip is longer than {LIMIT_S:.0f} seconds. Send a part of it.")
    if len(audio) < _SHORTEST_S * rate:
        raise SoundError("there is no sound in the clip. Send at least a word.")
    mono = np.nan_to_num(audio, nan=0.0, posinf=1.0, neginf=-1.0).mean(axis=1)
    pcm = np.rint(np.clip(mono, -1.0, 1.0) * 32_767).astype(np.int16)
    try:
        narrow = resample(pcm, rate, _TELEPHONE)
    except ValueError as error:
        raise SoundError("the clip has a strange sample rate. Send it at 8, 16, 44.1 or 48 kHz.") from error
    line = g711.decode(g711.encode(narrow, Encoding.MULAW), Encoding.MULAW)
    return resample(line, _TELEPHONE, SAMPLE_RATE).astype(np.float32) / np.float32(32_768)
