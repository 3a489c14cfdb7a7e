"""What a recogniser hears: a waveform turned into frames of numbers. One code for training and serving, so both hear the same.

A frame is 25 ms under a Hann window, one every 10 ms, as in Whisper and Kaldi. Frame t covers samples [160 t, 160 t + 400): no
frame waits for audio behind its own end, and nothing depends on the rest of the clip, so a stream gives the same frames as a file.

* "raw": the samples themselves; a net with this input learns its own filters.
* "spectrogram": natural log of the power in 201 bins of 40 Hz.
* "log_mel": the same in bands as wide as the ear's (Slaney's mel scale, as in librosa and Whisper): linear to 1 kHz, logarithmic above.
* "mfcc": the cosine transform (DCT-II, orthonormal) of log_mel, of which only the first coefficients are kept: the slow changes
  over frequency, which are the mouth's, without the fast ones, which are the voice's pitch (Davis and Mermelstein 1980).
  No deltas: a net that sees neighbouring frames can take differences itself, and deltas would look into the future.

Powers are scaled so that white noise of variance v has v in every bin and every band; what is below -76 dB of full scale, the
dust of 16 bits and of mu-law, is held there, since a logarithm would make it large. Loudness is taken out by mean and deviation
of the training data (`Moments`), which are stored with the net; that of a single clip only if it is `levelled` first, which needs
all of it: a caller on a bad line may be 20 dB quieter than all that a net was trained on.
"""

from functools import lru_cache
from typing import Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.units import SAMPLE_RATE

Floats = NDArray[np.float32]
Kind = Literal["mfcc", "log_mel", "spectrogram", "raw"]

WINDOW = SAMPLE_RATE * 25 // 1_000
"""Samples of a frame."""

HOP = SAMPLE_RATE * 10 // 1_000
"""Samples from one frame's start to the next's."""

BINS = WINDOW // 2 + 1
"""Frequencies of a spectrum: 0, 40, ... 8 000 Hz."""

_FLOOR = np.float32(10 ** (-76 / 10))
_HANN = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)).astype(
    np.float32
)  # periodic, as torch.hann_window


class Features(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A choice of features; call it with audio (float32, mono, 16 kHz, [-1, 1], shape (n,)) to get float32 (frames, size)."""

    kind: Kind = "log_mel"
    bands: int = 40
    """Mel bands of "log_mel" and "mfcc", 8 to 128."""
    coefficients: int = 20
    """Kept of "mfcc", 1 to `bands`."""
    levelled: bool = False
    """Whether clips are made equally loud first (`level`). Then a frame depends on the whole clip."""

    @property
    def size(self) -> int:
        """Numbers in a frame."""
        return {"raw": 1, "spectrogram": BINS, "log_mel": self.bands, "mfcc": self.coefficients}[self.kind]

    @property
    def hop(self) -> int:
        """Samples from one row to the next: 1 for "raw", else 160."""
        return 1 if self.kind == "raw" else HOP

    def frames(self, samples: int) -> int:
        """Rows made from `samples`. Less than a window counts as one window."""
        return samples if self.kind == "raw" else 1 + max(0, samples - WINDOW) // HOP

    def __call__(self, audio: Floats) -> Floats:
        audio = level(audio) if self.levelled else audio.astype(np.float32)
        if self.kind == "raw":
            return audio[:, None]
        power = _power(audio)
        if self.kind != "spectrogram":
            power = power @ mel_filters(self.bands).T
        logs = np.log(np.maximum(power, _FLOOR))
        return logs @ _cosines(self.bands, self.coefficients).T if self.kind == "mfcc" else logs


def level(audio: Floats) -> Floats:
    """`audio` (n,) made as loud as others: the loudest tenth of its 10 ms begins at -20 dB of full scale, so pauses do not count.

    Louder by 30 dB at most, so that silence stays silence.
    """
    blocks = audio[: max(1, audio.size // HOP) * HOP]
    powers = np.square(blocks.reshape(-1, HOP) if audio.size >= HOP else blocks[None], dtype=np.float64).mean(axis=1)
    gain = 10 ** (-20 / 20) / np.sqrt(max(np.quantile(powers, 0.9), 1e-12))
    return (audio * min(gain, 10 ** (30 / 20))).astype(np.float32)


def _power(audio: Floats) -> Floats:
    """Power spectra, shape (frames, BINS). Audio shorter than a window is filled up with silence."""
    if audio.size < WINDOW:
        audio = np.pad(audio, (0, WINDOW - audio.size))
    frames = np.lib.stride_tricks.sliding_window_view(audio, WINDOW)[::HOP]
    spectra = np.fft.rfft(frames * _HANN)
    return (spectra.real**2 + spectra.imag**2) / np.sum(_HANN**2)


@lru_cache(maxsize=8)
def mel_filters(bands: int) -> Floats:
    """Triangles over the spectrum, shape (bands, BINS), each of sum 1; their corners lie evenly on Slaney's mel scale, 0 to 8 kHz.

    (M. Slaney, "Auditory Toolbox", 1998: 200/3 Hz a mel below 1 kHz; above, 27 mel to a factor of 6.4.)
    """
    step, knee, growth = 200 / 3, 15.0, np.log(6.4) / 27
    top = knee + np.log(SAMPLE_RATE / 2 / 1_000) / growth
    mels = np.linspace(0.0, top, bands + 2)
    corners = np.where(mels < knee, mels * step, 1_000 * np.exp(growth * (mels - knee)))
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.linspace(0, SAMPLE_RATE / 2, BINS)
    triangles = np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    totals = triangles.sum(axis=1, keepdims=True)
    if not totals.all():
        raise ValueError(f"{bands} mel bands are too narrow for bins of 40 Hz; take at most 128.")
    return (triangles / totals).astype(np.float32)


@lru_cache(maxsize=8)
def _cosines(bands: int, coefficients: int) -> Floats:
    """The first rows of the orthonormal DCT-II, shape (coefficients, bands)."""
    rows = np.arange(coefficients)[:, None]
    matrix = np.sqrt(2 / bands) * np.cos(np.pi / bands * rows * (np.arange(bands) + 0.5))
    matrix[0] /= np.sqrt(2)
    return matrix.astype(np.float32)


class Moments:
    """Mean and standard deviation of each feature over all frames given, in one pass."""

    def __init__(self, size: int) -> None:
        self._count = 0
        self._sum = np.zeros(size)
        self._squares = np.zeros(size)

    def add(self, frames: Floats) -> None:
        """Frames of one clip, shape (n, size)."""
        self._count += len(frames)
        self._sum += frames.sum(axis=0, dtype=np.float64)
        self._squares += np.square(frames, dtype=np.float64).sum(axis=0)

    @property
    def mean(self) -> Floats:
        """Shape (size,)."""
        return (self._sum / max(self._count, 1)).astype(np.float32)

    @property
    def deviation(self) -> Floats:
        """Shape (size,). At least a tenth of the mean deviation: a band that is silent in all of the training data (above 4 kHz on
        the telephone) must not be blown up when there is something in it."""
        mean = self._sum / max(self._count, 1)
        deviation = np.sqrt(np.maximum(self._squares / max(self._count, 1) - mean**2, 0.0))
        return np.maximum(deviation, max(0.1 * deviation.mean(), 1e-5)).astype(np.float32)
