"""A voice as a direction: ECAPA-TDNN (Desplanques, Thienpondt and Demuynck, Interspeech 2020), sized for a CPU.

    frames -> convolution -> three Res2 blocks with squeeze-excitation -> all three side by side -> attentive statistics -> one vector

A Res2 block looks at each quarter of its channels in the light of the quarter before, so it sees several time scales at once.
Squeeze-excitation weighs channels by the whole utterance. Attentive statistics pooling keeps a weighted mean and deviation over
time: frames that tell voices apart count for more than silence. Batch normalisation as in the paper: clips of one batch have the
same length in training, and serving takes one clip at a time with the moments of training, so no result depends on a batch.
"""

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn


class EcapaSettings(BaseModel):
    """The `[net]` table: 0.5 million parameters by default."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    channels: int = Field(128, ge=16, le=1024)
    size: int = Field(160, ge=16, le=512)
    """Of the embedding."""
    scale: int = Field(4, ge=2, le=8)
    """Parts of a Res2 block; divides `channels`."""
    dilations: tuple[int, ...] = Field((2, 3, 4), min_length=1, max_length=6)
    """Of each block, in output frames."""
    stride: int = Field(2, ge=1, le=4)
    """Frames of 10 ms that become one, in the first convolution."""
    pooled: int = Field(384, ge=16, le=3072)
    """Channels whose statistics are taken."""
    attention: int = Field(64, ge=8, le=512)

    @model_validator(mode="after")
    def _fits(self) -> "EcapaSettings":
        if self.channels % self.scale:
            raise ValueError(f"channels = {self.channels} must be a multiple of scale = {self.scale}.")
        return self


class Ecapa(nn.Module):
    """`forward(frames (B, T, F)) -> (B, size)`, of any length; T >= 10. All clips of a batch are T frames long."""

    def __init__(self, settings: EcapaSettings, features: int) -> None:
        super().__init__()
        self.settings, channels = settings, settings.channels
        self.first = _Layer(features, channels, 5, stride=settings.stride)
        self.blocks = nn.ModuleList(_Block(channels, settings.scale, dilation) for dilation in settings.dilations)
        self.join = nn.Conv1d(channels * len(settings.dilations), settings.pooled, 1)
        self.pool = _Pool(settings.pooled, settings.attention)
        self.normal = nn.BatchNorm1d(2 * settings.pooled)
        self.out = nn.Linear(2 * settings.pooled, settings.size)

    def forward(self, frames: Tensor) -> Tensor:
        x = self.first(frames.transpose(1, 2))
        heard = []
        for block in self.blocks:
            x = block(x)
            heard.append(x)
        return self.out(self.normal(self.pool(torch.relu(self.join(torch.cat(heard, dim=1))))))

    @property
    def parameters_count(self) -> int:
        """Numbers that training changes."""
        return sum(parameter.numel() for parameter in self.parameters())


class _Layer(nn.Module):
    """Convolution, ReLU, batch normalisation."""

    def __init__(self, width: int, out: int, kernel: int, *, dilation: int = 1, stride: int = 1) -> None:
        super().__init__()
        self.kernel = nn.Conv1d(width, out, kernel, stride=stride, dilation=dilation, padding=dilation * (kernel // 2))
        self.normal = nn.BatchNorm1d(out)

    def forward(self, x: Tensor) -> Tensor:
        return self.normal(torch.relu(self.kernel(x)))


class _Block(nn.Module):
    def __init__(self, channels: int, scale: int, dilation: int) -> None:
        super().__init__()
        self.scale = scale
        self.before = _Layer(channels, channels, 1)
        self.parts = nn.ModuleList(
            _Layer(channels // scale, channels // scale, 3, dilation=dilation) for _ in range(scale - 1)
        )
        self.after = _Layer(channels, channels, 1)
        self.squeeze = nn.Linear(channels, channels // 2)
        self.excite = nn.Linear(channels // 2, channels)

    def forward(self, x: Tensor) -> Tensor:
        first, *others = self.before(x).chunk(self.scale, dim=1)
        seen = [first]
        for number, (part, layer) in enumerate(zip(others, self.parts, strict=True)):
            seen.append(layer(part if number == 0 else part + seen[-1]))
        y = self.after(torch.cat(seen, dim=1))
        weights = torch.sigmoid(self.excite(torch.relu(self.squeeze(y.mean(dim=2)))))
        return x + y * weights.unsqueeze(2)


class _Pool(nn.Module):
    """Attention sees each frame beside the mean and deviation of all of them."""

    def __init__(self, channels: int, attention: int) -> None:
        super().__init__()
        self.look = nn.Conv1d(3 * channels, attention, 1)
        self.weigh = nn.Conv1d(attention, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(dim=2, keepdim=True)
        deviation = ((x - mean).square().mean(dim=2, keepdim=True) + 1e-5).sqrt()
        around = torch.cat((x, mean.expand_as(x), deviation.expand_as(x)), dim=1)
        weights = torch.softmax(self.weigh(torch.tanh(self.look(around))), dim=2)
        mean = (weights * x).sum(dim=2)
        square = (weights * x.square()).sum(dim=2)
        return torch.cat((mean, (square - mean.square()).clamp(min=1e-5).sqrt()), dim=1)
