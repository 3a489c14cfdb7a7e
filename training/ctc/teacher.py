"""What a large recogniser makes of each 20 ms of a recording: the states of Whisper's encoder, asked for once and kept on disk.

    folder/HASH.npy     float16, (frames, size): frame i is about the samples around 320 i

The teacher hears the recording as it is. Whoever learns from it may hear it worse.
"""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.common import audio
from training.common.errors import RecipeError
from training.common.manifests import Clip

Floats = NDArray[np.float32]
Teacher = Callable[[Floats], Floats]
"""Audio (n,), float32, 16 kHz, of at most 30 s -> states (frames, size), a frame for each HOP samples or part of it."""

_WIDEST = 4.0  # deviations: a few of Whisper's numbers are now and then a hundred times as large as otherwise

HOP = 320
"""Samples from one state to the next."""

_MARGIN = 100  # feature frames of silence behind a clip: without any, Whisper loses its end


def whisper(name: str, layer: int) -> Teacher:
    """What comes out of the encoder's layer `layer` (1 is the first) of a Whisper that `training.whisper.checkpoint` can load.
    Raises ModelError, RecipeError."""
    import torch
    from torch.nn.functional import gelu
    from transformers import WhisperFeatureExtractor

    from training.whisper import checkpoint

    encoder = checkpoint.load(name).model.model.encoder.eval()
    if layer > len(encoder.layers):
        raise RecipeError(f"layer = {layer}: {name} has {len(encoder.layers)} layers in its encoder.")
    hear = WhisperFeatureExtractor(feature_size=encoder.config.num_mel_bins)

    @torch.inference_mode()
    def states(samples: Floats) -> Floats:
        frames = -(-len(samples) // HOP)
        features = hear(samples, sampling_rate=16_000, return_tensors="pt").input_features
        heard = gelu(encoder.conv1(features[:, :, : 2 * frames + _MARGIN]))
        heard = gelu(encoder.conv2(heard)).permute(0, 2, 1)
        heard = heard + encoder.embed_positions.weight[: heard.shape[1]]
        for each in encoder.layers[:layer]:
            heard = each(heard, None)
            heard = heard[0] if isinstance(heard, tuple) else heard
        return heard[0, :frames].numpy()

    return states


def states(clips: Sequence[Clip], teacher: Callable[[], Teacher], folder: Path) -> list[Path]:
    """A file for each clip; what lies in `folder` is not made again, and `teacher` is opened only if something is missing.
    Raises ModelError, DataError."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"{hashlib.sha256(clip.audio.read_bytes()).hexdigest()[:20]}.npy" for clip in clips]
    missing = {file: clip for file, clip in zip(files, clips, strict=True) if not file.exists()}
    ask = teacher() if missing else None
    for file, clip in missing.items():
        partial = file.with_suffix(".partial")
        with partial.open("wb") as stream:
            np.save(stream, ask(audio.load(clip.audio)).astype(np.float16))
        partial.replace(file)
    return files


class Summary:
    """The `size` directions in which states differ most (principal components), the largest first."""

    def __init__(self, states: Sequence[NDArray], size: int) -> None:
        some = np.concatenate([each[::3] for each in states]).astype(np.float32)
        self._mean, self._deviation = some.mean(axis=0), some.std(axis=0) + 1e-4
        powers, axes = np.linalg.eigh(np.cov(self._even(some).T))
        # Between as they are, where the first drown the rest, and all alike, where noise counts as much as speech.
        self._axes = (axes[:, : -size - 1 : -1] / powers[: -size - 1 : -1] ** 0.25).astype(np.float32)
        self._axes /= np.sqrt(np.mean(np.square(self._even(some) @ self._axes)))

    def _even(self, states: NDArray) -> Floats:
        return np.clip((states.astype(np.float32) - self._mean) / self._deviation, -_WIDEST, _WIDEST)

    def __call__(self, states: NDArray) -> Floats:
        """(frames, n) -> (frames, size), of mean square 1 over all that it was made from."""
        return self._even(states) @ self._axes
