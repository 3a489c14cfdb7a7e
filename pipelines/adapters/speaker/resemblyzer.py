"""Resemblyzer's voice encoder (https://github.com/resemble-ai/Resemblyzer, Apache-2.0) in numpy: no torch, no librosa.

Three LSTM layers of 256 over 40 mel powers, the last state through a linear layer and ReLU (GE2E: Wan et al. 2018), for stretches of
1.6 s; their mean is the voice. Trained on LibriSpeech-other, VoxCeleb 1 and 2. Weights: `pretrained.pt` of the package Resemblyzer 0.1.4.
Its own code also cuts out silence by webrtcvad before; here whoever calls gives speech.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipelines.adapters.speaker.old_torch import read
from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE

FILE = "pretrained.pt"
_WINDOW, _HOP, _BANDS = 400, 160, 40
_PART = 160  # frames of a stretch: 1.6 s
_STEP = 77  # frames from one to the next: 1.3 a second
_COVERED = 0.75  # of the last stretch
_LOUDNESS = 10 ** (-30 / 20)
_LAYERS = 3
_LEAST = SAMPLE_RATE // 4

Floats = NDArray[np.float32]


class Resemblyzer:
    """Serves all calls, from one thread at a time; keeps nothing between them."""

    size = 256
    thresholds: Mapping[str, float] = MappingProxyType(
        {"clean": 0.82, "noisy": 0.80, "short": 0.78, "known": 0.87, "same": 0.65, "other": 0.70}
    )
    """As in `Ecapa`, measured by `allo train speakers-table` and `diarization-table`; "known": a caller's voice with that of somebody enrolled
    from several recordings, by `python -m tests.load.known_callers`."""

    def __init__(self, folder: Path) -> None:
        """`folder` holds `pretrained.pt`. Raises ModelError."""
        try:
            w = read(folder / FILE, "model_state")
            self._layers = [
                (
                    w[f"lstm.weight_ih_l{i}"].T,
                    w[f"lstm.weight_hh_l{i}"].T,
                    w[f"lstm.bias_ih_l{i}"] + w[f"lstm.bias_hh_l{i}"],
                )
                for i in range(_LAYERS)
            ]
            self._linear, self._bias = w["linear.weight"].T, w["linear.bias"]
        except (OSError, ValueError, KeyError) as error:
            raise ModelError(f"{folder / FILE} is no Resemblyzer encoder: {error}. Fetch it again.") from error
        self._mel = _mel_filters()

    def embed(self, audio: Audio) -> Floats:
        """Float32 (256,), length 1, none below 0. Raises ModelError for less than a quarter of a second."""
        return self.embed_all([audio])[0]

    def embed_all(self, clips: Sequence[Audio]) -> Floats:
        """(n, 256): as `embed` of each, at a third of the cost, since the LSTM goes through all of them at once."""
        parts = [self._stretches(clip) for clip in clips]
        voices = np.split(self._run(np.concatenate(parts)), np.cumsum([len(part) for part in parts])[:-1])
        means = np.stack([voice.mean(axis=0) for voice in voices])
        return means / np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)

    def _stretches(self, audio: Audio) -> Floats:
        """(n, _PART, 40): made loud enough, the last filled up with silence."""
        if audio.size < _LEAST:
            raise ModelError(f"a voice needs a quarter of a second at least, not {audio.size / SAMPLE_RATE:.2f} s.")
        loudness = float(np.sqrt(np.mean(np.square(audio, dtype=np.float64))))
        audio = audio * np.float32(max(1.0, _LOUDNESS / max(loudness, 1e-9)))
        starts = _starts(audio.size)
        short = (starts[-1] + _PART) * _HOP - audio.size
        mel = self._frames(np.pad(audio, (0, max(0, short))))
        return np.stack([mel[start : start + _PART] for start in starts])

    def _frames(self, audio: Audio) -> Floats:
        """As librosa.feature.melspectrogram: frames centred, powers, Slaney's bands."""
        padded = np.pad(audio, _WINDOW // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, _WINDOW)[::_HOP]
        spectra = np.fft.rfft(frames * (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_WINDOW) / _WINDOW)))
        return ((spectra.real**2 + spectra.imag**2) @ self._mel.T).astype(np.float32)

    def _run(self, x: Floats) -> Floats:
        """(n, _PART, 40) -> (n, 256), each of length 1."""
        x = x.transpose(1, 0, 2)
        for into, onward, bias in self._layers:
            x = _lstm(x @ into + bias, onward)
        raw = np.maximum(x[-1] @ self._linear + self._bias, 0)
        return raw / np.maximum(np.linalg.norm(raw, axis=1, keepdims=True), 1e-9)


def _lstm(given: Floats, onward: Floats) -> Floats:
    """All states of one layer: given (T, n, 4 h), the input's part of the gates in torch's order (in, forget, cell, out)."""
    steps, n, gates = given.shape
    size = gates // 4
    state, cell = np.zeros((n, size), np.float32), np.zeros((n, size), np.float32)
    out = np.empty((steps, n, size), np.float32)
    for t in range(steps):
        gate = given[t] + state @ onward
        let_in, forget, opened = (_sigmoid(gate[:, k * size : (k + 1) * size]) for k in (0, 1, 3))
        cell = forget * cell + let_in * np.tanh(gate[:, 2 * size : 3 * size])
        state = out[t] = opened * np.tanh(cell)
    return out


def _sigmoid(x: Floats) -> Floats:
    return 0.5 * (1 + np.tanh(0.5 * x))


def _starts(samples: int) -> list[int]:
    """First frames of the stretches; the last is left out if less than three quarters of it are there."""
    frames = -(-(samples + 1) // _HOP)
    starts = list(range(0, max(1, frames - _PART + _STEP + 1), _STEP))
    if len(starts) > 1 and (samples - starts[-1] * _HOP) / (_PART * _HOP) < _COVERED:
        starts.pop()
    return starts


def _mel_filters() -> NDArray[np.float64]:
    """librosa's: triangles on Slaney's scale from 0 to 8 kHz, each of area 1 (in Hz)."""
    knee, growth = 15.0, np.log(6.4) / 27
    mels = np.linspace(0, knee + np.log(8) / growth, _BANDS + 2)
    corners = np.where(mels < knee, mels * 200 / 3, 1_000 * np.exp(growth * (mels - knee)))
    low, centre, high = corners[:-2, None], corners[1:-1, None], corners[2:, None]
    bins = np.linspace(0, SAMPLE_RATE / 2, _WINDOW // 2 + 1)
    triangles = np.maximum(0.0, np.minimum((bins - low) / (centre - low), (high - bins) / (high - centre)))
    return triangles * 2 / (high - low)
