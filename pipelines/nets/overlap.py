"""A net that hears speech over the agent and says, every 10 ms, how likely it begins an interruption.

    probabilities (B, T) = net(frames (B, T, F))

Causal: two looks at three frames each, and a recurrent memory from the onset on.
"""

import msgspec
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipelines.audio.overlap_frames import SIZE


class OverlapSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    width: int = 64
    layers: int = 1
    dropout: float = 0.2


class OverlapNet(nn.Module):
    """`mean` and `deviation` of the frames lie in the net, so that it takes them as they are."""

    def __init__(self, settings: OverlapSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.register_buffer("mean", torch.zeros(SIZE))
        self.register_buffer("deviation", torch.ones(SIZE))
        self.look = nn.Conv1d(SIZE, width, 3)
        self.look_again = nn.Conv1d(width, width, 3)
        self.rest = nn.Dropout(settings.dropout)
        self.memory = nn.GRU(width, width, settings.layers, batch_first=True)
        self.say = nn.Linear(width, 1)

    def logits(self, frames: Tensor) -> Tensor:
        """(B, T). Frame t depends on frames up to t."""
        seen = ((frames - self.mean) / self.deviation).transpose(1, 2)
        for look in (self.look, self.look_again):
            seen = torch.relu(look(functional.pad(seen, (2, 0))))
        heard, _ = self.memory(self.rest(seen.transpose(1, 2)))
        return self.say(self.rest(heard))[..., 0]

    def forward(self, frames: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(frames))
