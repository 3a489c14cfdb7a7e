"""An end-of-turn net: two convolutions that look at 20 and 40 ms steps, a recurrent layer over the last seconds, one number.

logits = net(frames (B, T, 34))      frames as `pipelines.audio.tune.seen` makes them
"""

import msgspec
import torch
from torch import Tensor, nn

from pipelines.audio.tune import SIZE


class EndingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    seconds: float = 5.0
    """Seen at the end of a turn."""
    width: int = 96
    dropout: float = 0.2

    @property
    def frames(self) -> int:
        return round(100 * self.seconds)


class EndingNet(nn.Module):
    def __init__(self, settings: EndingSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.register_buffer("mean", torch.zeros(SIZE))
        self.register_buffer("deviation", torch.ones(SIZE))
        self.near = nn.Conv1d(SIZE, width, 5, stride=2, padding=2)
        self.far = nn.Conv1d(width, width, 5, stride=2, padding=2)
        self.memory = nn.GRU(width, width, batch_first=True)
        self.drop = nn.Dropout(settings.dropout)
        self.look = nn.Linear(2 * width, width)
        self.say = nn.Linear(width, 1)

    def logits(self, frames: Tensor) -> Tensor:
        """(B,)."""
        there = frames[..., -1:]
        looked = ((frames - self.mean) / self.deviation * there).transpose(1, 2)
        looked = torch.relu(self.far(torch.relu(self.near(looked)))).transpose(1, 2)
        heard, last = self.memory(self.drop(looked))
        both = torch.cat((last[-1], heard[:, -50:].mean(dim=1)), dim=1)  # the whole, and the last two seconds
        return self.say(self.drop(torch.relu(self.look(both))))[:, 0]

    def forward(self, frames: Tensor) -> Tensor:
        """Probability that the turn is over, (B,)."""
        return torch.sigmoid(self.logits(frames))
