"""How something is said: pitch, voicing and loudness of each 10 ms, and numbers that sum up a whole utterance.

Frame t is centred where frame t of `features` is, so both can be put side by side. Pitch is the lag at which the
autocorrelation of 40 ms is largest, divided by the window's own (P. Boersma 1993); only what lies under 1 200 Hz is looked
at, so a telephone line that cuts off the fundamental leaves the spacing of its overtones. Loudness is told against the
clip's own level: what a line does to it is not how somebody feels.

`functionals` are in the spirit of eGeMAPS (F. Eyben et al. 2016), computed here from what the telephone lets pass.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from pipelines.audio.features import HOP, WINDOW, Features, level, mel_filters
from pipelines.units import SAMPLE_RATE

Floats = NDArray[np.float32]

COLUMNS = ("pitch", "pitch_from_median", "voicing", "loudness")
"""Of `prosody`: semitones above 100 Hz and above the clip's median (0 where nothing is voiced), correlation 0 to 1, and
tenths of dB under the clip's loud parts."""

_LONG = SAMPLE_RATE * 40 // 1_000
_LOWEST, _HIGHEST = 60.0, 500.0  # Hz
_TOP = 1_200.0  # Hz; above, overtones of a voice are weak and noise is not
_FFT = 1_024  # no less than the window and the longest lag: nothing wraps round
_VOICED = 0.5
_LOUD = -30.0  # dB; quieter than this under the clip's loud parts is a pause

_MEANS = 4  # cepstra whose mean is kept; that of the finer ones tells the mouth and the microphone, not the mood

_SPECTRUM = Features(kind="spectrogram")
_MFCC = Features(kind="mfcc", bands=40, coefficients=13)


def prosody(audio: Floats) -> Floats:
    """`audio` (float32, 16 kHz, [-1, 1], shape (n,)) as float32 (frames, 4), columns as in COLUMNS."""
    audio = level(audio)
    hertz, strength = _pitch(audio)
    loudness = _loudness(audio)
    voiced = (strength > _VOICED) & (loudness > _LOUD)
    semitones = np.where(voiced, 12 * np.log2(np.maximum(hertz, 1.0) / 100), 0.0)
    median = np.median(semitones[voiced]) if voiced.any() else 0.0
    return np.stack(
        [semitones, np.where(voiced, semitones - median, 0.0), strength, np.maximum(loudness, -60.0) / 10], axis=1
    ).astype(np.float32)


def _pitch(audio: Floats) -> tuple[Floats, Floats]:
    """Hz and the correlation at that lag, for each frame; the median of five frames takes out single octave errors."""
    frames = _framed(audio, _LONG)
    window, own = _window()
    spectra = np.fft.rfft((frames - frames.mean(axis=1, keepdims=True)) * window, _FFT)
    power = spectra.real**2 + spectra.imag**2
    power[:, round(_TOP * _FFT / SAMPLE_RATE) :] = 0.0
    first, last = int(SAMPLE_RATE / _HIGHEST), int(SAMPLE_RATE / _LOWEST)
    lags = np.fft.irfft(power)[:, : last + 1]
    lags = lags / np.maximum(lags[:, :1], 1e-9) / own[: last + 1]
    # Twice the period is as good a period; the shorter is meant.
    judged = lags[:, first:] - (0.03 * np.log2(np.arange(first, last + 1) / first)).astype(np.float32)
    best = first + judged.argmax(axis=1)
    strength = np.clip(lags[np.arange(len(lags)), best], 0.0, 1.0)
    hertz = np.pad(SAMPLE_RATE / best, 2, mode="edge")
    return np.median(np.lib.stride_tricks.sliding_window_view(hertz, 5), axis=1), strength


@lru_cache(maxsize=1)
def _window() -> tuple[Floats, Floats]:
    window = np.hanning(_LONG + 1)[:-1].astype(np.float32)
    spectrum = np.fft.rfft(window, _FFT)
    own = np.fft.irfft(spectrum.real**2 + spectrum.imag**2)
    return window, (own / own[0]).astype(np.float32)


def _framed(audio: Floats, window: int) -> Floats:
    """Frames of `window` samples, each centred where a frame of `features` is."""
    around = (window - WINDOW) // 2
    count = _SPECTRUM.frames(audio.size)
    needed = (count - 1) * HOP + window
    padded = np.pad(audio, (around, max(0, needed - audio.size - around)))
    return np.lib.stride_tricks.sliding_window_view(padded, window)[::HOP][:count]


def _loudness(audio: Floats) -> NDArray[np.float64]:
    """dB of each frame against the loudest tenth."""
    power = np.square(_framed(audio, WINDOW), dtype=np.float64).mean(axis=1)
    return 10 * np.log10(np.maximum(power, 1e-10) / max(np.quantile(power, 0.9), 1e-10))


def functionals(audio: Floats) -> Floats:
    """An utterance in numbers, shape (len(NAMES),), float32, all finite; pauses count for the pace alone."""
    return np.array(list(_functionals(audio).values()), np.float32)


def _functionals(audio: Floats) -> dict[str, float]:
    audio = level(audio)
    track = prosody(audio)
    loudness = track[:, 3] * 10
    active = loudness > _LOUD
    if not active.any():
        active = np.ones(len(track), bool)
    voiced = (track[:, 2] > _VOICED) & active
    seconds = len(track) * HOP / SAMPLE_RATE
    found: dict[str, float] = {}
    _of_pitch(found, track[:, 0], voiced)
    _of_rhythm(found, loudness, active, voiced, seconds)
    strength = np.clip(track[voiced, 2], 0.01, 0.99) if voiced.any() else np.array([_VOICED])
    harmonic = 10 * np.log10(strength / (1 - strength))
    found |= {"harmonicity_mean": harmonic.mean(), "harmonicity_deviation": harmonic.std()}
    _of_spectrum(found, audio, active)
    cepstra = _MFCC(audio)
    change = np.diff(cepstra, axis=0)[active[1:]] if len(cepstra) > 1 and active[1:].any() else np.zeros((1, 13))
    for i in range(1, 13):
        if i <= _MEANS:
            found[f"mfcc{i}_mean"] = cepstra[active, i].mean()
        found[f"mfcc{i}_deviation"] = cepstra[active, i].std()
        found[f"mfcc{i}_change"] = np.abs(change[:, i]).mean()
    return found


def _of_pitch(found: dict[str, float], semitones: Floats, voiced: NDArray[np.bool_]) -> None:
    said = semitones[voiced] if voiced.any() else np.zeros(1)
    low, some, middle, most, high = np.percentile(said, (5, 20, 50, 80, 95))
    both = voiced[1:] & voiced[:-1]
    steps = np.diff(semitones)[both]
    steps = steps[np.abs(steps) < 4] if both.any() else np.zeros(1)  # more in 10 ms is the tracker's mistake
    up, down = steps[steps > 0], steps[steps < 0]
    found |= {
        "pitch_low": low,
        "pitch_median": middle,
        "pitch_high": high,
        "pitch_range": most - some,
        "pitch_wide_range": high - low,
        "pitch_deviation": said.std(),
        "pitch_rise": up.mean() if up.size else 0.0,
        "pitch_fall": down.mean() if down.size else 0.0,
        "pitch_change": np.abs(steps).mean() if steps.size else 0.0,
    }


def _of_rhythm(
    found: dict[str, float], loudness: Floats, active: NDArray[np.bool_], voiced: NDArray[np.bool_], seconds: float
) -> None:
    runs = np.flatnonzero(np.diff(np.concatenate(([0], voiced.astype(int), [0]))))
    lengths = (runs[1::2] - runs[::2]) * HOP / SAMPLE_RATE if runs.size else np.zeros(1)
    said = loudness[active]
    both = active[1:] & active[:-1]
    steps = np.diff(loudness)[both] if both.any() else np.zeros(1)
    peaks = (loudness[1:-1] > loudness[:-2]) & (loudness[1:-1] >= loudness[2:]) & active[1:-1]
    found |= {
        "voiced_share": voiced.sum() / active.sum(),
        "voiced_length": lengths.mean(),
        "voiced_length_deviation": lengths.std(),
        "voiced_rate": runs.size / 2 / max(seconds, 0.1),
        "peak_rate": peaks.sum() / max(seconds, 0.1),
        "active_share": active.mean(),
        "loudness_deviation": said.std(),
        "loudness_range": np.subtract(*np.percentile(said, (80, 20))),
        "loudness_rise": steps[steps > 0].mean() if (steps > 0).any() else 0.0,
        "loudness_change": np.abs(steps).mean(),
    }


def _of_spectrum(found: dict[str, float], audio: Floats, active: NDArray[np.bool_]) -> None:
    """Where the strength lies between 200 and 3 400 Hz: a raised voice pushes it up."""
    logs = _SPECTRUM(audio)[active] * (10 / np.log(10))  # dB
    hertz = np.linspace(0, SAMPLE_RATE / 2, logs.shape[1])
    power = 10 ** (logs / 10)

    def band(low: float, high: float) -> NDArray[np.bool_]:
        return (hertz >= low) & (hertz < high)

    whole = band(200, 3_400)
    below, above = power[:, band(200, 1_000)].sum(axis=1), power[:, band(1_000, 3_400)].sum(axis=1)
    centroid = (power[:, whole] * hertz[whole]).sum(axis=1) / np.maximum(power[:, whole].sum(axis=1), 1e-12)
    measures = {
        "tilt": 10 * np.log10(np.maximum(below, 1e-12) / np.maximum(above, 1e-12)),
        "hammarberg": logs[:, band(200, 2_000)].max(axis=1) - logs[:, band(2_000, 3_400)].max(axis=1),
        "slope_low": _slope(logs[:, band(200, 600)], hertz[band(200, 600)]),
        "slope_high": _slope(logs[:, band(600, 2_000)], hertz[band(600, 2_000)]),
        "centroid": centroid / 1_000,
    }
    for name, values in measures.items():
        found |= {f"{name}_mean": values.mean(), f"{name}_deviation": values.std()}
    bands = np.log10(np.maximum(power @ mel_filters(26).T, 1e-9))
    found["flux"] = np.abs(np.diff(bands, axis=0)).mean() if len(bands) > 1 else 0.0


def _slope(logs: Floats, hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    """dB per kHz, by least squares."""
    x = (hertz - hertz.mean()) / 1_000
    return (logs @ x) / (x @ x)


NAMES = tuple(_functionals(np.zeros(SAMPLE_RATE // 10, np.float32)))
"""Of `functionals`, in their order."""
