"""What a voice says made fit for a call: silence trimmed, one level for all voices, the wire's rate and encoding."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from pipelines.audio import g711
from pipelines.audio.resample import resample
from pipelines.frames import AudioFormat
from pipelines.models.ports import Audio, TextToSpeech
from pipelines.turns.spoken import speakable

Pcm = NDArray[np.int16]

LEVEL_DBFS = -20.0
"""Root mean square of the speech, silence left out: loud on a telephone, with room for peaks."""

_PEAK = 0.9
_MAX_GAIN = 10.0  # more would be noise
_FRAME_S = 0.005
_SILENT_DB = -32.0  # below the speech's own level
_LEAD_S = 0.010
_TAIL_S = 0.080
_SENTENCE_TAIL_S = 0.150
_FADE_S = 0.002


def finished_pieces(voice: TextToSpeech, text: str, language: str) -> Iterator[Pcm]:
    """`text` spoken, piece by piece as the voice has them: int16 at the voice's rate, trimmed and at `LEVEL_DBFS`.

    Raises ModelError. A piece in which nothing is said is left out."""
    ends_sentence = text.rstrip("\"'”’») ").endswith((".", "!", "?", "…"))
    for audio in voice.synthesize(speakable(text, language)):
        pcm = finish(audio, voice.sample_rate, ends_sentence=ends_sentence)
        if len(pcm):
            yield pcm


def finish(audio: Audio, rate: int, *, ends_sentence: bool) -> Pcm:
    """Speech levelled, with up to 10 ms of silence before it, 80 ms after (150 after a sentence); int16 at `rate`."""
    audio = audio - np.mean(audio, dtype=np.float64).astype(np.float32) if len(audio) else audio
    size = max(1, round(_FRAME_S * rate))
    n_frames = -(-len(audio) // size)
    power = np.mean(np.square(np.pad(audio, (0, n_frames * size - len(audio))).reshape(n_frames, size)), axis=1)
    if not n_frames or power.max() < 1e-8:
        return np.zeros(0, np.int16)
    loud = power > power.max() * 1e-3  # within 30 dB of the loudest frame: the speech that the level is taken from
    level = np.mean(power[loud])
    sounding = np.flatnonzero(power > level * 10 ** (_SILENT_DB / 10))
    first = max(0, sounding[0] * size - round(_LEAD_S * rate))
    last = (sounding[-1] + 1) * size
    tail = round((_SENTENCE_TAIL_S if ends_sentence else _TAIL_S) * rate)
    speech = audio[first : last + tail]
    gain = min(10 ** (LEVEL_DBFS / 20) / np.sqrt(level), _PEAK / np.abs(speech).max(), _MAX_GAIN)
    speech = speech * np.float32(gain)
    fade = min(len(speech), max(1, round(_FADE_S * rate)))
    ramp = np.linspace(0.0, 1.0, fade, dtype=np.float32)
    speech[:fade] *= ramp
    speech[-fade:] *= ramp[::-1]
    speech = np.pad(speech, (0, max(0, last - first + tail - len(speech))))  # where the voice stopped short
    return np.rint(speech * 32767).astype(np.int16)


def wire_audio(pcm: Pcm, rate: int, wire: AudioFormat) -> bytes:
    """`pcm` (int16 at `rate`) in a wire's format."""
    return g711.encode(resample(pcm, rate, wire.sample_rate), wire.encoding)
