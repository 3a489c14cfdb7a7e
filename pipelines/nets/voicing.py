"""A voice activity net: features of a window, a recurrent memory of the windows before, the probability of speech.

    probabilities, memory = net(frames (B, T, F), memory (layers, B, width))

Trained on whole recordings (T windows), served window by window (T = 1) with the memory kept by the call.
"""

import msgspec
import torch
from torch import Tensor, nn

from pipelines.audio.windows import FRAMES


class VoicingSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    bands: int = 40
    """Mel bands of a frame, over 0 to 8 kHz."""
    width: int = 64
    layers: int = 2

    @property
    def size(self) -> int:
        """Numbers that a window is seen as."""
        return FRAMES * self.bands


class VoicingNet(nn.Module):
    """`mean` and `deviation` of the features lie in the net, so that it takes them as they are."""

    def __init__(self, settings: VoicingSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("mean", torch.zeros(settings.size))
        self.register_buffer("deviation", torch.ones(settings.size))
        self.look = nn.Linear(settings.size, settings.width)
        self.memory = nn.GRU(settings.width, settings.width, settings.layers, batch_first=True)
        self.say = nn.Linear(settings.width, 1)

    def initial(self, batch: int) -> Tensor:
        """Memory of calls that have heard nothing."""
        return torch.zeros(self.settings.layers, batch, self.settings.width)

    def logits(self, frames: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """(B, T), and the memory after the last window."""
        looked = torch.relu(self.look((frames - self.mean) / self.deviation))
        heard, memory = self.memory(looked, memory)
        return self.say(heard)[..., 0], memory

    def forward(self, frames: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        logits, memory = self.logits(frames, memory)
        return torch.sigmoid(logits), memory
