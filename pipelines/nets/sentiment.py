"""Two nets that judge a sentence: a small encoder of our own, and a frozen one of others with a hidden layer of 30 on top."""

import torch
from torch import Tensor, nn

from pipelines.nets.body import hide
from pipelines.nets.cnn import Block


class SmallEncoder(nn.Module):
    """Pieces of words, convolutions over them, attention pooling. `forward(ids (B, T), mask (B, T) or None) -> logits (B, 3)`."""

    def __init__(
        self, vocabulary: int, width: int = 64, layers: int = 2, kernel: int = 3, dropout: float = 0.3, classes: int = 3
    ) -> None:
        super().__init__()
        self.pieces = nn.Embedding(vocabulary, width)
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, kernel, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.look = nn.Linear(width, 1)
        self.answer = nn.Linear(2 * width, classes)

    def forward(self, ids: Tensor, mask: Tensor | None = None) -> Tensor:
        mask = torch.ones_like(ids) > 0 if mask is None else mask
        hidden = self.drop(self.pieces(ids))
        for block in self.blocks:
            hidden = block(hidden, mask)
        hidden = hide(self.norm(hidden), mask)
        weight = self.look(hidden).squeeze(-1).masked_fill(~mask, -1e4).softmax(1).unsqueeze(-1)
        most = hidden.masked_fill(~mask.unsqueeze(-1), -1e4).amax(1)
        return self.answer(torch.cat([(weight * hidden).sum(1), most], 1))


class Head(nn.Module):
    """Of a frozen encoder's vector: a hidden layer of 30, three classes."""

    def __init__(self, size: int, hidden: int = 30, dropout: float = 0.2, classes: int = 3) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(size))
        self.register_buffer("deviation", torch.ones(size))
        self.layers = nn.Sequential(
            nn.Dropout(dropout), nn.Linear(size, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, classes)
        )

    def forward(self, vectors: Tensor) -> Tensor:
        return self.layers((vectors - self.mean) / self.deviation)


class Frozen(nn.Module):
    """A transformers encoder, the mean over its tokens, and a `Head`: `forward(ids (1, T)) -> logits (1, 3)`."""

    def __init__(self, encoder: nn.Module, head: Head) -> None:
        super().__init__()
        self.encoder, self.head = encoder, head

    def vector(self, ids: Tensor) -> Tensor:
        """(1, size)."""
        return self.encoder(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state.mean(1)

    def forward(self, ids: Tensor) -> Tensor:
        return self.head(self.vector(ids))


class Served(nn.Module):
    """A net as it is exported: log-probabilities at a temperature that makes them honest."""

    def __init__(self, net: nn.Module, temperature: float) -> None:
        super().__init__()
        self.net, self.temperature = net, temperature

    def forward(self, ids: Tensor) -> Tensor:
        return torch.log_softmax(self.net(ids) / self.temperature, 1)
