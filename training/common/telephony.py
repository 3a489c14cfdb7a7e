"""The telephone as augmentation: what a line does to speech, with the code that serves calls (`pipelines.audio`).

`plain` is the line at its best, the same for everyone: for evaluation. `Telephone` draws a line at random for each
clip: for training. The order is that of a call: the speaker (speed), his room and its noise, his microphone (gain,
clipping, echo), the line (band, hum, hiss), the codec, the packets that are lost, and the resampling that the server
does. Audio is float32, mono, 16 kHz, [-1, 1], shape (n,).
"""

import io
from collections.abc import Callable, Sequence
from typing import Annotated

import numpy as np
import soundfile
from annotated_types import Ge, Le
from numpy.typing import NDArray
from pydantic import model_validator
from scipy import signal

from pipelines.audio import g711
from pipelines.audio.jitter import Jitter
from pipelines.audio.resample import resample
from pipelines.frames import Encoding
from pipelines.units import SECOND
from training.common.audio import to_float, to_int16
from training.common.recipe import Section

Audio = NDArray[np.float32]
Samples = NDArray[np.int16]
Range = tuple[float, float]
Chance = Annotated[float, Ge(0.0), Le(1.0)]

RATE = 16_000
LINE_RATE = 8_000
_PACKET = 160  # samples at 8 kHz: 20 ms
_PACKET_US = SECOND // 50


class TelephoneSettings(Section):
    """How often each thing happens to a clip (0 to 1), and the range its strength is drawn from, evenly."""

    speed: Chance = 0.5
    speed_factor: Range = (0.9, 1.1)
    """Pitch and pace together, as a tape does; the clip becomes 1 / factor as long."""
    room: Chance = 0.3
    """Only when impulse responses are given."""
    noise: Chance = 0.5
    """Only when noises are given."""
    noise_snr_db: Range = (5.0, 30.0)
    gain: Chance = 0.8
    gain_db: Range = (-18.0, 6.0)
    clipping: Chance = 0.05
    clipping_share: Range = (0.001, 0.02)
    """Share of the samples that are held at full scale."""
    echo: Chance = 0.2
    echo_delay_ms: Range = (20.0, 250.0)
    echo_db: Range = (-40.0, -15.0)
    """Of the agent's voice, when voices are given, else of the speaker's own, against the speech."""
    band: Chance = 1.0
    band_low_hz: Range = (200.0, 400.0)
    band_high_hz: Range = (3_100.0, 3_600.0)
    hum: Chance = 0.1
    hum_db: Range = (-60.0, -40.0)
    """Mains hum of 50 or 60 Hz with its overtones, against full scale."""
    hiss: Chance = 0.5
    hiss_db: Range = (-70.0, -45.0)
    """White line noise, against full scale."""
    mulaw: Annotated[float, Ge(0.0)] = 5.0
    """Weights of the three codecs; a clip goes through one of them."""
    alaw: Annotated[float, Ge(0.0)] = 3.0
    gsm: Annotated[float, Ge(0.0)] = 1.0
    loss: Chance = 0.2
    loss_share: Range = (0.005, 0.05)
    """Share of the 20 ms packets that never come."""
    loss_burst: Range = (1.0, 4.0)
    """Mean length of a burst of lost packets."""

    @model_validator(mode="after")
    def _sensible(self) -> "TelephoneSettings":
        for name, value in self:
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name} is a range: its first value must not be above its second")
        if not self.mulaw + self.alaw + self.gsm:
            raise ValueError("mulaw, alaw and gsm are all 0: give one of the codecs a weight")
        for name, least, most in (
            ("speed_factor", 0.5, 2.0),
            ("band_low_hz", 1.0, 1_000.0),
            ("band_high_hz", 2_000.0, 3_999.0),
            ("loss_burst", 1.0, 50.0),
            ("loss_share", 0.0, 0.5),
            ("clipping_share", 0.0, 0.5),
            ("echo_delay_ms", 0.0, 2_000.0),
        ):
            low, high = getattr(self, name)
            if low < least or high > most:
                raise ValueError(f"{name} must lie within {least:g} and {most:g}")
        return self


def plain(audio: Audio) -> Audio:
    """`audio` as a good line brings it to the server: 8 kHz, mu-law and back. The same length; nothing is random."""
    return _wide(_coded(_narrow(audio), "mulaw"), len(audio))


class Telephone:
    """Audio through a line drawn anew for each clip. Every draw comes from the generator given: the same seed, the same
    samples. Holds no state; safe to share between threads."""

    def __init__(
        self,
        settings: TelephoneSettings | None = None,
        noises: Sequence[Audio] = (),
        rooms: Sequence[Audio] = (),
        voices: Sequence[Audio] = (),
    ) -> None:
        """`noises`: what may be heard around the speaker; `rooms`: impulse responses; `voices`: speech of the other side,
        for its echo. All 16 kHz; each is repeated or cut as needed. Empty or silent ones are left out."""
        self._settings = settings or TelephoneSettings()
        self._noises = [noise for noise in noises if _rms(noise)]
        self._rooms = [direct(room) for room in rooms if _rms(room)]
        self._voices = [voice for voice in voices if _rms(voice)]

    def __call__(self, audio: Audio, rng: np.random.Generator) -> Audio:
        """The same number of samples, unless the speed changed."""
        s = self._settings
        if not len(audio):
            return audio
        audio = audio.astype(np.float32, copy=False)
        for chance, effect in (
            (s.speed, self._speed),
            (s.room if self._rooms else 0.0, self._room),
            (s.noise if self._noises else 0.0, self._noise),
            (s.gain, self._gain),
            (s.clipping, self._clip),
            (s.echo, self._echo),
        ):
            audio = _maybe(chance, effect, audio, rng)
        line = to_float(_narrow(audio))
        for chance, effect in ((s.band, self._band), (s.hum, self._hum), (s.hiss, self._hiss)):
            line = _maybe(chance, effect, line, rng)
        weights = np.array([s.mulaw, s.alaw, s.gsm])
        codec = ("mulaw", "alaw", "gsm")[rng.choice(3, p=weights / weights.sum())]
        coded = _coded(to_int16(line), codec)
        if rng.random() < s.loss:
            coded = lose(coded, rng, share=rng.uniform(*s.loss_share), burst=rng.uniform(*s.loss_burst))
        return _wide(coded, len(audio))

    # ---- effects at 16 kHz

    def _speed(self, audio: Audio, rng: np.random.Generator) -> Audio:
        percent = round(100 * rng.uniform(*self._settings.speed_factor))
        if percent == 100:
            return audio
        return signal.resample_poly(audio, 100, percent).astype(np.float32)

    def _room(self, audio: Audio, rng: np.random.Generator) -> Audio:
        room = self._rooms[rng.integers(len(self._rooms))]
        wet = signal.fftconvolve(audio, room)[: len(audio)]
        return (wet * (_rms(audio) / max(_rms(wet), 1e-9))).astype(np.float32)  # the room changes no loudness

    def _noise(self, audio: Audio, rng: np.random.Generator) -> Audio:
        noise = piece(self._noises[rng.integers(len(self._noises))], len(audio), rng)
        return _mixed(audio, noise, -rng.uniform(*self._settings.noise_snr_db))

    def _gain(self, audio: Audio, rng: np.random.Generator) -> Audio:
        return np.clip(audio * np.float32(_factor(rng.uniform(*self._settings.gain_db))), -1.0, 1.0)

    def _clip(self, audio: Audio, rng: np.random.Generator) -> Audio:
        level = np.quantile(np.abs(audio), 1.0 - rng.uniform(*self._settings.clipping_share))
        return np.clip(audio / np.float32(max(level, 1e-4)), -1.0, 1.0)

    def _echo(self, audio: Audio, rng: np.random.Generator) -> Audio:
        delay = round(rng.uniform(*self._settings.echo_delay_ms) * RATE / 1_000)
        db = rng.uniform(*self._settings.echo_db)
        source = audio
        if self._voices:
            source = piece(self._voices[rng.integers(len(self._voices))], len(audio), rng)
        late = np.concatenate((np.zeros(min(delay, len(audio)), np.float32), source))[: len(audio)]
        return _mixed(audio, late, db)

    # ---- effects at 8 kHz

    def _band(self, line: Audio, rng: np.random.Generator) -> Audio:
        s = self._settings
        edges = (rng.uniform(*s.band_low_hz), rng.uniform(*s.band_high_hz))
        return signal.sosfilt(signal.butter(4, edges, "bandpass", fs=LINE_RATE, output="sos"), line).astype(np.float32)

    def _hum(self, line: Audio, rng: np.random.Generator) -> Audio:
        mains = (50.0, 60.0)[rng.integers(2)]
        time = np.arange(len(line)) / LINE_RATE
        hum = sum(np.sin(2 * np.pi * (k * mains * time + rng.random())) / k for k in range(1, 7))
        return line + (hum * (_factor(rng.uniform(*self._settings.hum_db)) / _rms(hum))).astype(np.float32)

    def _hiss(self, line: Audio, rng: np.random.Generator) -> Audio:
        level = _factor(rng.uniform(*self._settings.hiss_db))
        return line + np.float32(level) * rng.standard_normal(len(line), dtype=np.float32)


def lose(line: Samples, rng: np.random.Generator, *, share: float, burst: float) -> Samples:
    """`line` (int16, 8 kHz) with about `share` of its 20 ms packets lost, in bursts of `burst` packets on average
    (Gilbert's two states), and concealed by the jitter buffer that serves. The first packet always comes."""
    leave, enter = 1.0 / burst, share / (burst * (1.0 - share))
    jitter, out, lost = Jitter(LINE_RATE), [], False
    count = -(-len(line) // _PACKET)
    # Silence after the end makes the buffer give out what it still waits for.
    padded = np.concatenate((line, np.zeros((count + 10) * _PACKET - len(line), np.int16)))
    for i in range(count + 10):
        lost = 0 < i < count and bool(rng.random() < (1.0 - leave if lost else enter))
        if not lost:
            out.append(jitter.receive((i + 1) * _PACKET_US, i * 20, padded[i * _PACKET : (i + 1) * _PACKET]))
    return np.concatenate(out)[: len(line)]


# ---- the line


def _narrow(audio: Audio) -> Samples:
    return resample(to_int16(audio), RATE, LINE_RATE)


def _wide(line: Samples, length: int) -> Audio:
    return to_float(resample(line, LINE_RATE, RATE)[:length])


def _coded(line: Samples, codec: str) -> Samples:
    if codec == "gsm":
        return _gsm(line)
    encoding = Encoding.MULAW if codec == "mulaw" else Encoding.ALAW
    return g711.decode(g711.encode(line, encoding), encoding)


def _gsm(line: Samples) -> Samples:
    """Full rate (ETSI GSM 06.10), by libsndfile. It codes blocks of 320 samples and pads the last."""
    stream = io.BytesIO()
    soundfile.write(stream, line, LINE_RATE, format="WAV", subtype="GSM610")
    stream.seek(0)
    return soundfile.read(stream, dtype="int16")[0][: len(line)]


# ---- samples


def _maybe(
    chance: float,
    effect: Callable[[Audio, np.random.Generator], Audio],
    audio: Audio,
    rng: np.random.Generator,
) -> Audio:
    return effect(audio, rng) if rng.random() < chance else audio


def _rms(audio: NDArray) -> float:
    return float(np.sqrt(np.mean(np.square(audio, dtype=np.float64)))) if len(audio) else 0.0


def _factor(db: float) -> float:
    return 10.0 ** (db / 20.0)


def _mixed(audio: Audio, other: Audio, db: float) -> Audio:
    """`audio` and `other`, which is `db` louder than it."""
    loudness = _rms(other)
    if not loudness:
        return audio
    return (audio + other * np.float32(_factor(db) * _rms(audio) / loudness)).astype(np.float32)


def piece(audio: Audio, length: int, rng: np.random.Generator) -> Audio:
    """`length` samples from a random place of `audio`, which goes round when it is too short."""
    return np.resize(np.roll(audio, -int(rng.integers(len(audio)))), length)


def direct(room: Audio) -> Audio:
    """An impulse response from its direct sound on, so that speech is not delayed."""
    return room[int(np.argmax(np.abs(room))) :]
