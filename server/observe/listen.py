"""A recorded call as one stereo sound file: the caller on the left, the agent on the right as the caller heard it."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from pipelines.audio.g711 import decode
from pipelines.audio.resample import resample
from pipelines.events import MediaReceived
from pipelines.frames import AudioFormat
from pipelines.models.ports import Audio
from pipelines.replay.dump import Dump
from pipelines.replay.ear import Sound, heard
from pipelines.units import MS, SAMPLE_RATE, SECOND

Samples = NDArray[np.int16]


def write_wav(dump: Dump, path: Path) -> None:
    """Write the call to `path`: 16-bit WAV at the wire's rate (the higher one, should its directions differ).

    Raises OSError."""
    path.write_bytes(wav(dump))


def wav(dump: Dump) -> bytes:
    """The file's contents."""
    caller, agent, rate = both_sides(dump)
    file = BytesIO()
    soundfile.write(file, np.stack([caller, agent], axis=1), rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def both_sides(dump: Dump) -> tuple[Samples, Samples, int]:
    """(caller, agent, rate in Hz): both sides from call time 0 to the end of the call, of one length."""
    inbound, outbound = dump.meta.inbound, dump.meta.outbound
    rate = max(inbound.sample_rate, outbound.sample_rate)
    length = dump.duration_us * rate // SECOND
    return _lay(said(dump), inbound, rate, length), _lay(heard(dump), outbound, rate, length), rate


def caller_audio(dump: Dump) -> Audio:
    """The caller's side from call time 0, as models hear it: float32 mono 16 kHz, [-1, 1]."""
    samples, _, rate = both_sides(dump)
    return resample(samples, rate, SAMPLE_RATE).astype(np.float32) / 32_768


def said(dump: Dump) -> list[Sound]:
    """The caller's packets at the call times at which he said them.

    A packet's place in his speech is its timestamp, or without one the end of the packet before. The speech as a whole
    is placed so that no packet arrives before it is over: the least delayed one decides, as in `Inbound.said_at`.
    """
    inbound = dump.meta.inbound
    placed: list[tuple[int, bytes]] = []
    end = 0
    origin: int | None = None
    for at, event in dump.events(MediaReceived):
        start = end if event.timestamp is None else event.timestamp * MS
        end = start + inbound.duration_us(len(event.payload))
        origin = at - end if origin is None else min(origin, at - end)
        placed.append((start, event.payload))
    return [Sound(origin + start, payload) for start, payload in placed]


def _lay(sounds: Sequence[Sound], audio_format: AudioFormat, rate: int, length: int) -> Samples:
    """Put sounds at their places on `length` samples of silence; what lies outside the call is left out."""
    own_rate, width = audio_format.sample_rate, audio_format.bytes_per_sample
    sizes = [len(sound.audio) // width for sound in sounds]
    whole = (sound.audio[: size * width] for sound, size in zip(sounds, sizes, strict=True))
    pcm = decode(b"".join(whole), audio_format.encoding)
    line = np.zeros(length * own_rate // rate, np.int16)
    offset = 0
    for sound, size in zip(sounds, sizes, strict=True):
        start = sound.at * own_rate // SECOND
        piece, offset = pcm[offset : offset + size], offset + size
        piece = piece[max(0, -start) : max(0, len(line) - start)]
        start = max(0, start)
        line[start : start + len(piece)] = piece
    return line if own_rate == rate else _stretch(line, length)


def _stretch(samples: Samples, length: int) -> Samples:
    """Straight lines between samples: no carrier has two rates, and for listening it will do."""
    places = np.linspace(0, len(samples), length, endpoint=False)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.int16)
