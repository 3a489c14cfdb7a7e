"""The Conformer (Gulati et al. 2020): attention for what is far, a convolution for what is near, between two half feed-forwards.

Two departures from the paper: LayerNorm instead of BatchNorm in the convolution, so that nothing depends on the batch, and rotary
positions instead of Transformer-XL's, which are as relative and a tenth of the code.
"""

from torch import Tensor, nn
from torch.nn import functional

from pipelines.nets.body import Body, Convolution
from pipelines.nets.transformer import Attention, FeedForward


class Near(nn.Module):
    """Gate, one convolution a channel, and back."""

    def __init__(self, width: int, kernel: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.gate = nn.Linear(width, 2 * width)
        self.convolution = Convolution(width, width, kernel, groups=width)
        self.after = nn.Sequential(nn.LayerNorm(width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        return self.after(self.convolution(functional.glu(self.gate(self.norm(frames))), mask))


class Layer(nn.Module):
    def __init__(self, width: int, heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.before = FeedForward(width, dropout, nn.SiLU)
        self.far = Attention(width, heads, dropout, rotary=True)
        self.near = Near(width, kernel)
        self.behind = FeedForward(width, dropout, nn.SiLU)
        self.norm = nn.LayerNorm(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        frames = frames + 0.5 * self.dropout(self.before(frames))
        frames = frames + self.dropout(self.far(frames, mask))
        frames = frames + self.dropout(self.near(frames, mask))
        frames = frames + 0.5 * self.dropout(self.behind(frames))
        return self.norm(frames)


class Conformer(Body):
    def __init__(self, width: int, layers: int, heads: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(Layer(width, heads, kernel, dropout) for _ in range(layers))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        for layer in self.layers:
            frames = layer(frames, mask)
        return frames
