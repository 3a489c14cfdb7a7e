"""How an utterance sounds: prosody and log-mel frames, convolutions, if asked for a memory both ways, and one look at all of it.

Attention pooling (each frame says how much it counts) instead of the mean: anger is in a few syllables, not in the pauses.
"""

from typing import Literal

import msgspec
import torch
from torch import Tensor, nn

from pipelines.nets.body import hide
from pipelines.nets.cnn import Block


class EmotionNetSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`size`: numbers in a frame. `classes`: answers. `body`: "cnn", or "cnn_gru" with a memory both ways on top."""

    size: int
    classes: int
    body: Literal["cnn", "cnn_gru"] = "cnn_gru"
    width: int = 48
    layers: int = 3
    kernel: int = 5
    dropout: float = 0.3


class EmotionNet(nn.Module):
    """`forward(frames (B, T, size), lengths (B,) or None) -> logits (B, classes)`. None: no frame is padding, which is how it is served.

    Every second frame is left out after the first layer. An item's result does not depend on its batch."""

    def __init__(self, settings: EmotionNetSettings) -> None:
        super().__init__()
        s = settings
        self.settings = s
        self.register_buffer("mean", torch.zeros(s.size))
        self.register_buffer("deviation", torch.ones(s.size))
        self.first = nn.Linear(2 * s.size, s.width)
        self.blocks = nn.ModuleList(Block(s.width, s.kernel, s.dropout) for _ in range(s.layers))
        self.memory = (
            nn.GRU(s.width, s.width // 2, batch_first=True, bidirectional=True) if s.body == "cnn_gru" else None
        )
        self.norm = nn.LayerNorm(s.width)
        self.look = nn.Linear(s.width, 1)
        self.answer = nn.Sequential(nn.Dropout(s.dropout), nn.Linear(2 * s.width, s.classes))

    def forward(self, frames: Tensor, lengths: Tensor | None = None) -> Tensor:
        frames = (frames - self.mean) / self.deviation
        even = frames.shape[1] // 2 * 2
        pairs = frames[:, :even].reshape(frames.shape[0], -1, 2 * self.settings.size)
        places = torch.arange(pairs.shape[1], device=frames.device)
        mask = torch.ones_like(pairs[:, :, 0]) > 0 if lengths is None else places < (lengths // 2).unsqueeze(1)
        hidden = self.first(pairs)
        for block in self.blocks:
            hidden = block(hidden, mask)
        if self.memory is not None:
            hidden = self._remembered(hidden, lengths)
        hidden = hide(self.norm(hidden), mask)
        weight = self.look(hidden).squeeze(-1).masked_fill(~mask, -1e4).softmax(1).unsqueeze(-1)
        mean = (weight * hidden).sum(1)
        spread = (weight * (hidden - mean.unsqueeze(1)) ** 2).sum(1).clamp(min=1e-5).sqrt()
        return self.answer(torch.cat([mean, spread], 1))

    def _remembered(self, hidden: Tensor, lengths: Tensor | None) -> Tensor:
        if lengths is None:
            return self.memory(hidden)[0]
        packed = nn.utils.rnn.pack_padded_sequence(hidden, (lengths // 2).cpu(), batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(self.memory(packed)[0], batch_first=True, total_length=hidden.shape[1])[
            0
        ]

    @property
    def parameters_count(self) -> int:
        return sum(p.numel() for p in self.parameters())


class Served(nn.Module):
    """The net as it is exported: log-probabilities at a temperature that makes them honest."""

    def __init__(self, net: EmotionNet, temperature: float) -> None:
        super().__init__()
        self.net, self.temperature = net, temperature

    def forward(self, frames: Tensor) -> Tensor:
        return torch.log_softmax(self.net(frames) / self.temperature, 1)
