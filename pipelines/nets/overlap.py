"""A net that hears speech over the agent, as Whisper's encoder hears it, and says how likely it begins an interruption.

    probabilities (B,) = net(states (B, T, S), lengths (B,))

It looks at all of what was said so far from both ends, and at its mean and its most. T is always `STATES`: the look from behind passes what is padded first.
"""

import msgspec
import torch
from torch import Tensor, nn

STATES = 36
"""States of 20 ms: the tenth of a second before the onset of speech, and the 0.6 s in which a call asks."""


class OverlapSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int = 512
    """S, numbers of a state: 512 in Whisper base."""
    width: int = 64
    dropout: float = 0.3


class OverlapNet(nn.Module):
    """`mean` and `deviation` of the states lie in the net, so that it takes them as they are."""

    def __init__(self, settings: OverlapSettings) -> None:
        super().__init__()
        self.settings = settings
        width = settings.width
        self.register_buffer("mean", torch.zeros(settings.size))
        self.register_buffer("deviation", torch.ones(settings.size))
        self.rest = nn.Dropout(settings.dropout)
        self.narrow = nn.Linear(settings.size, width)
        self.memory = nn.GRU(width, width, batch_first=True, bidirectional=True)
        self.say = nn.Linear(4 * width, 1)

    def logits(self, states: Tensor, lengths: Tensor) -> Tensor:
        """(B,). What lies behind the first `lengths` states of each is not heard."""
        there = (torch.arange(states.shape[1], device=states.device)[None] < lengths[:, None])[..., None]
        seen = self.rest((states - self.mean) / self.deviation)
        seen = self.rest(torch.relu(self.narrow(seen))) * there
        heard = self.memory(seen)[0] * there
        most = heard.masked_fill(~there, -2.0).amax(1)  # a memory is no less than -1
        return self.say(self.rest(torch.cat((heard.sum(1) / lengths[:, None], most), 1)))[:, 0]

    def forward(self, states: Tensor, lengths: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(states, lengths))
