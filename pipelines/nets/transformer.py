"""Self-attention over frames (Vaswani et al. 2017): every frame looks at every other and takes what it needs from it.

Attention has no idea of order, so sines and cosines of each frame's place are added to it first. Layers normalise before they
work, not after (Xiong et al. 2020): that trains without a long warm-up.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipelines.nets.body import Body


def positions(frames: int, width: int, like: Tensor) -> Tensor:
    """Shape (frames, width), width even: sines, then cosines, of wavelengths from 2 pi to 20 000 pi frames; on the device of `like`."""
    rates = torch.exp(torch.arange(0, width, 2, device=like.device) * (-math.log(10_000.0) / width))
    angles = torch.arange(frames, device=like.device)[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), dim=1).to(like.dtype)


class Attention(nn.Module):
    """Several heads, each with its own idea of what matters; nobody looks at padding.

    `rotary`: queries and keys are turned by an angle that grows with their place (Su et al. 2021), so that attention depends on
    how far apart two frames are rather than on where they lie.
    """

    def __init__(self, width: int, heads: int, dropout: float, *, rotary: bool) -> None:
        super().__init__()
        self.heads, self.dropout, self.rotary = heads, dropout, rotary
        self.norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        batch, length, width = frames.shape
        split = self.queries_keys_values(self.norm(frames)).view(batch, length, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)
        if self.rotary:
            query, key = _turned(query), _turned(key)
        seen = functional.scaled_dot_product_attention(
            query, key, value, attn_mask=mask[:, None, None, :], dropout_p=self.dropout if self.training else 0.0
        )
        return self.out(seen.transpose(1, 2).reshape(batch, length, width))


def _turned(x: Tensor) -> Tensor:
    """Each pair of numbers of x (..., T, D) turned by its frame's angle."""
    sine, cosine = positions(x.shape[-2], x.shape[-1], x).chunk(2, dim=-1)
    a, b = x.chunk(2, dim=-1)
    return torch.cat((a * cosine - b * sine, a * sine + b * cosine), dim=-1)


class FeedForward(nn.Sequential):
    """What is done with each frame alone, four times as wide inside."""

    def __init__(self, width: int, dropout: float, activation: type[nn.Module]) -> None:
        super().__init__(
            nn.LayerNorm(width),
            nn.Linear(width, 4 * width),
            activation(),
            nn.Dropout(dropout),
            nn.Linear(4 * width, width),
        )


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads, dropout, rotary=False)
        self.feed_forward = FeedForward(width, dropout, nn.GELU)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        frames = frames + self.dropout(self.attention(frames, mask))
        return frames + self.dropout(self.feed_forward(frames))


class Transformer(Body):
    def __init__(self, width: int, layers: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(Layer(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        frames = self.dropout(frames + positions(frames.shape[1], frames.shape[2], frames))
        for layer in self.layers:
            frames = layer(frames, mask)
        return self.norm(frames)
