"""A stack of convolutions over time: each layer sees a little farther than the one below, none sees everything.

Residual blocks (He et al. 2016), without strides: the same pattern of sound is found wherever it is. As in Wav2Letter (Collobert
et al. 2016), which reads words with convolutions alone.
"""

from torch import Tensor, nn

from pipelines.nets.body import Body, Convolution


class Block(nn.Module):
    """frames + what a convolution makes of them."""

    def __init__(self, width: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.convolution = Convolution(width, width, kernel)
        self.after = nn.Sequential(nn.GELU(), nn.Linear(width, width), nn.Dropout(dropout))

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        return frames + self.after(self.convolution(self.norm(frames), mask))


class Cnn(Body):
    def __init__(self, width: int, layers: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.past = self.future = layers * (kernel // 2)
        self.blocks = nn.ModuleList(Block(width, kernel, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        for block in self.blocks:
            frames = block(frames, mask)
        return self.norm(frames)
