"""One voice out of several: a mask over the spectrum, told whose voice to keep (VoiceFilter: Wang et al., Interspeech 2019).

    magnitudes -> [joined with the voice] -> two bidirectional LSTMs -> a mask, 0 to 1, for each frequency and frame

The voice says by how much each of the inner numbers is scaled and moved (FiLM: Perez et al. 2018), in front of each LSTM.
It looks at the whole recording, both ways: for recordings, not for calls.
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn


class ExtractSettings(BaseModel):
    """The `[net]` table: 1.0 million parameters by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(256, ge=16, le=1024, multiple_of=2)
    layers: int = Field(2, ge=1, le=4)


class Extractor(nn.Module):
    """`forward(magnitudes (B, T, F), voice (B, size)) -> mask (B, T, F)`."""

    def __init__(self, settings: ExtractSettings, bins: int, voice: int) -> None:
        super().__init__()
        self.settings, width = settings, settings.width
        self.into = nn.Sequential(nn.Linear(bins, width), nn.LayerNorm(width), nn.PReLU())
        self.told = nn.ModuleList(nn.Linear(voice, 2 * width) for _ in range(settings.layers))
        self.memory = nn.ModuleList(
            nn.LSTM(width, width // 2, batch_first=True, bidirectional=True) for _ in range(settings.layers)
        )
        self.normal = nn.ModuleList(nn.LayerNorm(width) for _ in range(settings.layers))
        self.mask = nn.Linear(width, bins)

    def forward(self, magnitudes: Tensor, voice: Tensor) -> Tensor:
        x = self.into(magnitudes)
        for told, memory, normal in zip(self.told, self.memory, self.normal, strict=True):
            scale, shift = told(voice).unsqueeze(1).chunk(2, dim=2)
            x = x + memory(normal(x) * (1 + scale) + shift)[0]
        return torch.sigmoid(self.mask(x))

    @property
    def parameters_count(self) -> int:
        """Numbers that training changes."""
        return sum(parameter.numel() for parameter in self.parameters())
