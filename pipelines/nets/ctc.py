"""A network that reads sound and writes characters: features in, one probability a character and frame out, trained with CTC.

    features -> (x - mean) / deviation -> [learned filters] -> `stride` frames joined into one -> body -> characters

With `whole` there is one output for all frames, made of what the body says and of the joined features: a CTC of a single frame.

CTC: Graves et al. 2006. Number 0 of the output is its blank. `training/ctc/CTC.md` walks through it.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from pipelines.nets.body import Body, hide
from pipelines.nets.cnn import Cnn
from pipelines.nets.conformer import Conformer
from pipelines.nets.mlp import Mlp
from pipelines.nets.recurrent import CnnRecurrent, Recurrent
from pipelines.nets.settings import NetSettings
from pipelines.nets.states import States
from pipelines.nets.transformer import Transformer
from pipelines.nets.waveform import Waveform
from pipelines.nets.whole import Whole


def build(settings: NetSettings, vocabulary_size: int) -> "CtcNet":
    """A new net, with weights drawn from torch's generator (`torch.manual_seed` first). `vocabulary_size` counts the blank."""
    return CtcNet(settings, vocabulary_size)


class CtcNet(nn.Module):
    """What an item gets does not depend on what it is batched with, nor on how far it is padded."""

    def __init__(self, settings: NetSettings, vocabulary_size: int) -> None:
        super().__init__()
        self.settings = settings
        self.features = settings.features
        """What makes the input of a clip, here as in training."""
        size = self.features.size
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        self.waveform = Waveform(settings.bands) if settings.input == "raw" else None
        inside = settings.bands if self.waveform else size
        beside = inside * settings.stride
        self.body = None if settings.net == "none" else _body(settings)
        width = settings.width if self.body else 0
        self.join = nn.Sequential(nn.Linear(beside, width), nn.LayerNorm(width)) if self.body else None
        self.dropout = nn.Dropout(settings.dropout)
        self.head: nn.Module = (
            Whole(width + beside, settings.whole, vocabulary_size)
            if settings.whole
            else nn.Linear(width, vocabulary_size)
        )

    def hear_through(self, encoder: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> None:
        """Take the states of `encoder` (`States.encoder`) for the input."""
        self.features = States(encoder)

    def normalise_by(self, mean: NDArray[np.float32], deviation: NDArray[np.float32]) -> None:
        """Keep the moments of the training data (`pipelines.audio.features.Moments`), each of shape (F,), with the weights."""
        self.mean.copy_(torch.from_numpy(mean))
        self.deviation.copy_(torch.from_numpy(deviation))

    def forward(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """features (B, T, F), lengths (B,) in 1..T -> log probabilities (B, T', V), float32, and lengths' (B,).

        Padding beyond an item's length may hold anything finite in and holds nothing of use out.
        """
        if not self.settings.whole:
            frames, lengths = self.heard(features, lengths)
            return self.characters(frames), lengths
        frames, mask = self.described(features, lengths)
        return self.head(frames, mask).float().log_softmax(-1), torch.ones_like(lengths)

    def described(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What the body makes of each frame and beside it the frame itself, shape (B, T', width + stride * F), and a mask (B, T'): what `Whole` hears."""
        beside, lengths = self._beside(features, lengths)
        mask = _mask(lengths, beside.shape[1])
        if self.body is None or self.join is None:
            return beside, mask
        return torch.cat((self.body(self.dropout(self.join(beside)), mask), beside), -1), mask

    def heard(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """What the body makes of each frame, shape (B, T', width), and lengths' (B,): all but the last layer."""
        frames, lengths = self.joined(features, lengths)
        mask = _mask(lengths, frames.shape[1])
        return self.body(self.dropout(frames), mask), lengths

    def joined(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised, filtered, and every `stride` frames made one; the last is filled up with zeros."""
        beside, lengths = self._beside(features, lengths)
        return self.join(beside), lengths

    def _beside(self, features: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        features = hide((features - self.mean) / self.deviation, _mask(lengths, features.shape[1]))
        if self.waveform:
            features = self.waveform(features)
            lengths = self._frames(lengths)
            features = hide(features, _mask(lengths, features.shape[1]))
        stride = self.settings.stride
        batch, length, size = features.shape
        features = nn.functional.pad(features, (0, 0, 0, -length % stride))
        return features.reshape(batch, -1, stride * size), -(-lengths // stride)

    def characters(self, frames: Tensor) -> Tensor:
        """What the body made of frames, as log probabilities."""
        return self.head(frames).float().log_softmax(-1)

    def frames_out(self, frames_in: int) -> int:
        """Output frames for an item of `frames_in` rows of features (samples, for "raw")."""
        if self.settings.whole:
            return 1
        frames = Waveform.frames_out(frames_in) if self.waveform else frames_in
        return -(-frames // self.settings.stride)

    def _frames(self, samples: Tensor) -> Tensor:
        return torch.tensor([Waveform.frames_out(n) for n in samples.tolist()], device=samples.device)

    @property
    def causal(self) -> bool:
        """Whether it can write while it listens: "mlp" and "cnn" wait for a fixed number of frames, "lstm" and "gru" for none.

        The others look at the whole utterance at each frame, and so do `levelled`, `whole` and the encoder of "states": a partial means to run them over it again.
        """
        return (
            self.body is not None
            and self.body.future is not None
            and not self.settings.levelled
            and not self.settings.whole
            and self.settings.input != "states"
        )

    @property
    def parameters_count(self) -> int:
        """Numbers that training changes."""
        return sum(parameter.numel() for parameter in self.parameters())


def pad(clips: Sequence[NDArray[np.float32]]) -> tuple[Tensor, Tensor]:
    """Features of several clips, each (T, F), as one batch: (B, longest T, F) filled with zeros, and lengths (B,)."""
    lengths = torch.tensor([len(clip) for clip in clips])
    return nn.utils.rnn.pad_sequence([torch.from_numpy(clip) for clip in clips], batch_first=True), lengths


def _mask(lengths: Tensor, longest: int) -> Tensor:
    return torch.arange(longest, device=lengths.device) < lengths[:, None]


def _body(settings: NetSettings) -> Body:
    width, layers, kernel, dropout = settings.width, settings.layers, settings.kernel, settings.dropout
    match settings.net:
        case "mlp":
            return Mlp(width, layers, kernel, dropout)
        case "cnn":
            return Cnn(width, layers, kernel, dropout)
        case "lstm" | "gru":
            return Recurrent(width, layers, dropout, cell=settings.net, directions=1)
        case "bilstm":
            return Recurrent(width, layers, dropout, cell="lstm", directions=2)
        case "cnn_bilstm":
            return CnnRecurrent(width, layers, kernel, dropout)
        case "transformer":
            return Transformer(width, layers, settings.heads, dropout)
        case "conformer":
            return Conformer(width, layers, settings.heads, kernel, dropout)
