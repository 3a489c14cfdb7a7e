"""A recorded call as one stereo sound file: the caller on the left, the agent on the right as the caller heard it."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from pipelines.events import MediaReceived
from pipelines.frames import AudioFormat, Encoding
from pipelines.replay.dump import Dump
from pipelines.replay.ear import Sound, heard
from pipelines.units import MS, SECOND

_SUBTYPES = {Encoding.MULAW: "ULAW", Encoding.ALAW: "ALAW", Encoding.L16: "PCM_16"}

Samples = NDArray[np.int16]


def write_wav(dump: Dump, path: Path) -> None:
    """Write the call to `path`: 16-bit WAV at the wire's rate (the higher one, should its directions differ).

    Raises OSError."""
    caller, agent, rate = both_sides(dump)
    with path.open("wb") as file:
        soundfile.write(file, np.stack([caller, agent], axis=1), rate, format="WAV", subtype="PCM_16")


def both_sides(dump: Dump) -> tuple[Samples, Samples, int]:
    """(caller, agent, rate in Hz): both sides from call time 0 to the end of the call, of one length."""
    inbound, outbound = dump.meta.inbound, dump.meta.outbound
    rate = max(inbound.sample_rate, outbound.sample_rate)
    length = dump.duration_us * rate // SECOND
    return _lay(said(dump), inbound, rate, length), _lay(heard(dump), outbound, rate, length), rate


def said(dump: Dump) -> list[Sound]:
    """The caller's packets at the call times at which he said them.

    With timestamps: there, counted from the moment at which the least delayed packet puts their zero. Without: end to
    end from the first packet on."""
    inbound = dump.meta.inbound
    packets = list(dump.events(MediaReceived))
    stamped = [(at, event) for at, event in packets if event.timestamp is not None]
    origin = min(
        (at - event.timestamp * MS - inbound.duration_us(len(event.payload)) for at, event in stamped), default=0
    )
    sounds: list[Sound] = []
    end: int | None = None
    for at, event in packets:
        duration = inbound.duration_us(len(event.payload))
        start = at - duration if end is None else end
        if event.timestamp is not None:
            start = origin + event.timestamp * MS
        end = start + duration
        sounds.append(Sound(start, event.payload))
    return sounds


def _lay(sounds: Sequence[Sound], audio_format: AudioFormat, rate: int, length: int) -> Samples:
    """Put sounds at their places on `length` samples of silence; what lies outside the call is left out."""
    own_rate, width = audio_format.sample_rate, audio_format.bytes_per_sample
    sizes = [len(sound.audio) // width for sound in sounds]
    whole = (sound.audio[: size * width] for sound, size in zip(sounds, sizes, strict=True))
    pcm = _decode(b"".join(whole), audio_format)
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


def _decode(audio: bytes, audio_format: AudioFormat) -> Samples:
    if not audio:
        return np.zeros(0, np.int16)
    samples, _ = soundfile.read(
        io.BytesIO(audio),
        dtype="int16",
        samplerate=audio_format.sample_rate,
        channels=1,
        format="RAW",
        subtype=_SUBTYPES[audio_format.encoding],
        endian="LITTLE",
    )
    return samples
