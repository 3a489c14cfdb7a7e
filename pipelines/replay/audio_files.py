"""A recording that is not a dump, as a caller: WAV, FLAC, or samples without a header."""

from datetime import UTC, datetime
from pathlib import Path

import soundfile

from pipelines import events as ev
from pipelines.errors import DumpError
from pipelines.frames import AudioFormat, Encoding
from pipelines.replay.dump import Dump, Meta, Step
from pipelines.turns.policy import CallSettings
from pipelines.units import PTIME_MS, PTIME_US

RATES = (8_000, 16_000)
ENCODINGS = {"mulaw": Encoding.MULAW, "alaw": Encoding.ALAW, "s16le": Encoding.L16}
"""Names of the encodings of files without a header."""


def read_caller(
    path: Path, encoding: str | None = None, rate: int | None = None, channel: int | None = None, channels: int = 1
) -> tuple[AudioFormat, bytes]:
    """The caller's audio in `path`, and its format.

    With `encoding` ("mulaw", "alaw" or "s16le") the file is bare samples at `rate` Hz, of `channels` interleaved
    channels; without, it is a WAV or FLAC file that says so itself, and comes back as 16-bit linear samples. `channel`:
    which of two channels the caller is on, from 0; must be given when there are two. Raises DumpError.
    """
    if encoding is None:
        return _read_described(path, channel)
    if encoding not in ENCODINGS:
        raise DumpError(f"unknown encoding {encoding!r}: choose one of {', '.join(ENCODINGS)}")
    if rate not in RATES:
        raise DumpError("samples without a header need their rate: 8000 or 16000")
    audio_format = AudioFormat(ENCODINGS[encoding], rate)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror}") from None
    width = audio_format.bytes_per_sample
    data = data[: len(data) // (width * channels) * width * channels]
    index = _choose(path, channels, channel)
    if channels > 1:
        stride = width * channels
        picked = bytearray(len(data) // channels)
        for byte in range(width):
            picked[byte::width] = data[index * width + byte :: stride]
        data = bytes(picked)
    return _not_empty(path, audio_format, data)


def _read_described(path: Path, channel: int | None) -> tuple[AudioFormat, bytes]:
    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DumpError(
            f"{path}: no sound file ({error}); for samples without a header say --format and --rate"
        ) from None
    if rate not in RATES:
        raise DumpError(f"{path}: {rate} Hz; a caller has 8000 or 16000 Hz: resample it first")
    picked = samples[:, _choose(path, samples.shape[1], channel)]
    return _not_empty(path, AudioFormat(Encoding.L16, rate), picked.astype("<i2").tobytes())


def _choose(path: Path, channels: int, channel: int | None) -> int:
    if channels > 2:
        raise DumpError(f"{path}: {channels} channels; a call has one or two")
    if channel is None:
        if channels == 2:
            raise DumpError(f"{path}: two channels: say which one is the caller's, --channel 0 or --channel 1")
        return 0
    if not 0 <= channel < channels:
        raise DumpError(f"{path}: has no channel {channel}: its {channels} count from 0")
    return channel


def _not_empty(path: Path, audio_format: AudioFormat, data: bytes) -> tuple[AudioFormat, bytes]:
    if not data:
        raise DumpError(f"{path}: no samples")
    return audio_format, data


def caller_dump(
    audio_format: AudioFormat,
    audio: bytes,
    settings: CallSettings,
    agent: str,
    *,
    call_id: str = "file",
    after_us: int = 0,
) -> Dump:
    """A call in which nothing was decided yet: `after_us` of silence, then the caller's `audio`, in 20 ms frames."""
    started = ev.CallStarted(call_id, "file", audio_format, audio_format)
    meta = Meta(call_id, "file", agent, audio_format, audio_format, settings, datetime.now(UTC))
    size = audio_format.bytes_in(PTIME_MS)
    quiet = after_us // PTIME_US
    data = audio_format.silence(quiet * size) + audio
    data += audio_format.silence(-len(data) % size)
    steps = [Step(0, started, ())]
    for index in range(len(data) // size):
        frame = ev.MediaReceived(data[index * size : (index + 1) * size], index * PTIME_MS)
        steps.append(Step((index + 1) * PTIME_US, frame, ()))
    return Dump(meta, tuple(steps), complete=False)
