"""A few recorded speakers become many: other throats, other paces, other rooms before and after the word, another line.

Each variation is drawn from a generator of its own, so variation 7 of a clip is the same in every run and every process.
"""

from typing import Annotated

import numpy as np
from annotated_types import Ge, Le
from numpy.typing import NDArray
from pydantic import Field
from scipy import signal

from pipelines.units import SAMPLE_RATE
from training.common.recipe import Section
from training.common.telephony import Telephone, TelephoneSettings

Audio = NDArray[np.float32]
Floats = NDArray[np.float32]

_FRAME, _STEP = 512, 128  # samples of the phase vocoder: 32 ms, every 8 ms
_TILT_BANDS = 6


class Augment(Section):
    """The `[augment]` table. All strengths at 0 and `variations = 1` is no augmentation."""

    variations: int = Field(1, ge=1, le=1_000, description="Of each clip, made once. Number 0 is the recording itself.")
    ramp: float = Field(
        0.0, ge=0, le=1, description="Variations are of growing strength; they come into use over this part of the run."
    )
    strength: float = Field(
        1.0, ge=0, le=2, description="Scales throat, pace and tilt together; a tuning study turns this knob."
    )
    throat: float = Field(0.0, ge=0, le=0.5, description="Pitch and formants together, up and down by this part.")
    pace: float = Field(0.0, ge=0, le=0.5, description="Length, up and down by this part, the pitch kept.")
    cut: float = Field(
        0.0, ge=0, le=0.3, description="Longest part of the clip cut off at each end, as a hasty hand does."
    )
    tilt_db: float = Field(
        0.0, ge=0, le=20, description="Standard deviation of a gain drawn for each sixth of the band."
    )
    silence: float = Field(0.0, ge=0, le=2, description="Longest silence put before and after, seconds.")
    noise: Annotated[float, Ge(0), Le(1)] = 0.0
    """How often noise is added: white, or with the spectrum of a room's rumble."""
    noise_snr_db: tuple[float, float] = (10.0, 45.0)
    gain_db: tuple[float, float] = (0.0, 0.0)
    phone: Annotated[float, Ge(0), Le(1)] = Field(0.0, description="How often a clip goes through the telephone.")
    telephone: TelephoneSettings = Field(default_factory=TelephoneSettings, description="What the telephone does.")
    masks: int = Field(0, ge=0, le=10, description="SpecAugment: masks in time and as many in frequency, drawn anew.")
    mask_frames: int = Field(8, ge=1, le=100, description="Longest mask in time, frames of 10 ms.")
    mask_bands: float = Field(0.15, ge=0, le=0.5, description="Widest mask in frequency, part of the bands.")


def vary(
    audio: Audio, settings: Augment, rng: np.random.Generator, line: Telephone | None = None, strength: float = 1.0
) -> Audio:
    """One variation of `audio` (float32, 16 kHz, shape (n,)); as long or as short as the draw says. `line` is asked for when
    `settings.phone` is above 0; `strength`, 0 to 1, scales them for this variation."""
    strength *= settings.strength
    if settings.cut:
        first, last = rng.uniform(0, strength * settings.cut, 2) * len(audio)
        audio = audio[int(first) : len(audio) - int(last)]
    throat, pace = strength * settings.throat, strength * settings.pace
    if throat:
        percent = round(100 * np.exp(rng.uniform(-throat, throat)))
        audio = signal.resample_poly(audio, percent, 100).astype(np.float32)  # longer: deeper, from a larger throat
        audio = stretched(audio, 100 / percent * np.exp(rng.uniform(-pace, pace)))
    elif pace:
        audio = stretched(audio, np.exp(rng.uniform(-pace, pace)))
    if settings.tilt_db:
        audio = _tilted(audio, rng.normal(0.0, strength * settings.tilt_db, _TILT_BANDS))
    if settings.gain_db != (0.0, 0.0):
        audio = audio * np.float32(10 ** (rng.uniform(*settings.gain_db) / 20))
    loudness = np.sqrt(np.mean(np.square(audio, dtype=np.float64)))
    if settings.silence:
        before, after = rng.integers(0, round(settings.silence * SAMPLE_RATE) + 1, 2)
        audio = np.pad(audio, (before, after))
    if rng.random() < settings.noise:
        audio = audio + _noise(len(audio), rng) * np.float32(
            loudness * 10 ** (-rng.uniform(*settings.noise_snr_db) / 20)
        )
    if line is not None and rng.random() < settings.phone:
        audio = line(np.clip(audio, -1, 1), rng)
    return np.clip(audio, -1.0, 1.0).astype(np.float32)


def stretched(audio: Audio, factor: float) -> Audio:
    """`audio` made `factor` times as long with its pitch kept, by a phase vocoder (Flanagan and Golden 1966): the spectrum is
    read at another pace, and each bin's phase turns on as fast as it did."""
    if abs(factor - 1) < 0.02:
        return audio
    window = np.hanning(_FRAME + 1)[:-1]
    padded = np.pad(audio, (_FRAME, 2 * _FRAME))
    spectra = np.fft.rfft(np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[::_STEP] * window)
    places = np.arange(0, len(spectra) - 1, 1 / factor)
    index = places.astype(int)
    part = (places - index)[:, None]
    size = (1 - part) * np.abs(spectra[index]) + part * np.abs(spectra[index + 1])
    phases = np.angle(spectra)
    turned = np.cumsum(np.vstack([phases[:1], (phases[index + 1] - phases[index])[:-1]]), axis=0)
    frames = np.fft.irfft(size * np.exp(1j * turned)) * window
    out = np.zeros(len(frames) * _STEP + _FRAME)
    for i, frame in enumerate(frames):
        out[i * _STEP : i * _STEP + _FRAME] += frame
    first = round(_FRAME * factor)
    return (out[first : first + round(len(audio) * factor)] / 1.5).astype(np.float32)  # squared Hann windows sum to 1.5


def masked(features: Floats, settings: Augment, rng: np.random.Generator, kind: str) -> Floats:
    """SpecAugment (Park et al. 2019) on features (T, F): stretches of time, and of bands where there are neighbouring bands,
    are replaced by the clip's mean. Of a waveform (T, 1) only stretches of time, which are silenced."""
    if not settings.masks:
        return features
    hop = 160 if kind == "raw" else 1
    mean = np.zeros(1, np.float32) if kind == "raw" else features.mean(axis=0)
    features = features.copy()
    for _ in range(settings.masks):
        long = int(rng.integers(0, settings.mask_frames + 1)) * hop
        start = int(rng.integers(0, max(1, len(features) - long)))
        features[start : start + long] = mean
        if kind in ("log_mel", "spectrogram"):
            wide = int(rng.integers(0, round(settings.mask_bands * features.shape[1]) + 1))
            low = int(rng.integers(0, features.shape[1] - wide + 1))
            features[:, low : low + wide] = mean[low : low + wide]
    return features


def _tilted(audio: Audio, gains_db: NDArray[np.float64]) -> Audio:
    """Another microphone: gains from 0 to 4 kHz, a straight line between them, none of the energy lost or won."""
    spectrum = np.fft.rfft(audio)
    hertz = np.fft.rfftfreq(len(audio), 1 / SAMPLE_RATE)
    curve = 10 ** (np.interp(hertz, np.linspace(0, 4_000, len(gains_db)), gains_db) / 20)
    changed = np.fft.irfft(spectrum * curve, len(audio))
    before, after = np.square(audio, dtype=np.float64).sum(), np.square(changed).sum()
    return (changed * np.sqrt(before / max(after, 1e-12))).astype(np.float32)


def _noise(length: int, rng: np.random.Generator) -> Audio:
    """Of power 1: white, or falling by 6 dB an octave."""
    white = rng.standard_normal(length)
    if rng.random() < 0.5:
        white = signal.lfilter([1.0], [1.0, -0.95], white)
    return (white / max(np.sqrt(np.mean(white**2)), 1e-9)).astype(np.float32)
