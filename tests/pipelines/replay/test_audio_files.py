"""Sound files as callers."""

import numpy as np
import pytest
import soundfile

from pipelines.audio.g711 import decode
from pipelines.errors import DumpError
from pipelines.events import CallStarted, MediaReceived
from pipelines.frames import AudioFormat, Encoding
from pipelines.replay.audio_files import caller_dump, read_caller
from tests.helpers.replay import SETTINGS

RAMP = (np.arange(-1_600, 1_600) * 20).astype(np.int16)


@pytest.mark.parametrize("rate", [8_000, 16_000])
@pytest.mark.parametrize(("kind", "subtype"), [("WAV", "PCM_16"), ("WAV", "ULAW"), ("WAV", "ALAW"), ("FLAC", "PCM_16")])
def test_files_that_describe_themselves(tmp_path, rate, subtype, kind):
    path = tmp_path / "caller"
    soundfile.write(path, RAMP, rate, format=kind, subtype=subtype)
    audio_format, audio = read_caller(path)
    assert audio_format == AudioFormat(Encoding.L16, rate)
    assert np.abs(np.frombuffer(audio, "<i2").astype(int) - RAMP).max() <= (0 if subtype == "PCM_16" else 1_024)


@pytest.mark.parametrize(("name", "encoding"), [("mulaw", "ULAW"), ("alaw", "ALAW"), ("s16le", "PCM_16")])
@pytest.mark.parametrize("channels", [1, 2])
def test_bare_samples(tmp_path, name, encoding, channels):
    path = tmp_path / "caller.raw"
    samples = np.stack([RAMP, -RAMP][:channels], axis=1)
    soundfile.write(path, samples, 8_000, format="RAW", subtype=encoding, endian="LITTLE")
    audio_format, audio = read_caller(path, name, 8_000, channel=channels - 1, channels=channels)
    heard = decode(audio, audio_format.encoding).astype(int)
    assert np.abs(heard - samples[:, -1]).max() <= (0 if name == "s16le" else 1_024)


def test_the_caller_of_two_channels_must_be_named(tmp_path):
    path = tmp_path / "call.wav"
    soundfile.write(path, np.stack([RAMP, -RAMP], axis=1), 8_000)
    with pytest.raises(DumpError, match="two channels"):
        read_caller(path)
    with pytest.raises(DumpError, match="no channel 2"):
        read_caller(path, channel=2)
    _, audio = read_caller(path, channel=1)
    assert np.array_equal(np.frombuffer(audio, "<i2"), -RAMP)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"encoding": "mp3", "rate": 8_000}, "unknown encoding"),
        ({"encoding": "mulaw"}, "need their rate"),
        ({"encoding": "mulaw", "rate": 44_100}, "need their rate"),
        ({}, "no sound file"),
    ],
)
def test_what_cannot_be_a_caller_says_why(tmp_path, options, says):
    path = tmp_path / "x"
    path.write_bytes(b"hello")
    with pytest.raises(DumpError, match=says):
        read_caller(path, **options)


def test_missing_empty_and_odd_files(tmp_path):
    for options in ({}, {"encoding": "mulaw", "rate": 8_000}):
        with pytest.raises(DumpError, match="nowhere"):
            read_caller(tmp_path / "nowhere", **options)
    (tmp_path / "empty").write_bytes(b"")
    with pytest.raises(DumpError, match="no samples"):
        read_caller(tmp_path / "empty", "mulaw", 8_000)
    soundfile.write(tmp_path / "cd.wav", RAMP, 44_100)
    with pytest.raises(DumpError, match="44100 Hz"):
        read_caller(tmp_path / "cd.wav")
    (tmp_path / "odd").write_bytes(b"\x00" * 7)
    assert read_caller(tmp_path / "odd", "s16le", 8_000)[1] == b"\x00" * 6


def test_a_file_becomes_frames_in_real_time():
    dump = caller_dump(AudioFormat(Encoding.MULAW, 8_000), b"\x01" * 250, SETTINGS, "practice", after_us=40_000)
    assert isinstance(dump.steps[0].event, CallStarted)
    frames = [(at, event.payload, event.timestamp) for at, event in dump.events(MediaReceived)]
    quiet = b"\xff" * 160
    assert frames == [
        (20_000, quiet, 0),
        (40_000, quiet, 20),
        (60_000, b"\x01" * 160, 40),
        (80_000, b"\x01" * 90 + b"\xff" * 70, 60),
    ]
