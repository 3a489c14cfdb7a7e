"""The simplest recogniser: each frame is judged by itself and its neighbours, by a multi-layer perceptron.

The neighbours are stacked onto the frame first ("splicing", as in the hybrid systems of the 1990s and in Kaldi). The net has no
idea of order beyond them: what a later family gains, it gains by seeing farther.
"""

from torch import Tensor, nn

from pipelines.nets.body import Body, Convolution


class Mlp(Body):
    def __init__(self, width: int, layers: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.past = self.future = kernel // 2
        self.splice = Convolution(width, width, kernel)  # stacking neighbours and multiplying is a convolution
        hidden: list[nn.Module] = [nn.ReLU(), nn.Dropout(dropout)]
        for _ in range(layers):
            hidden += [nn.Linear(width, width), nn.LayerNorm(width), nn.ReLU(), nn.Dropout(dropout)]
        self.layers = nn.Sequential(*hidden)

    def forward(self, frames: Tensor, mask: Tensor) -> Tensor:
        return self.layers(self.splice(frames, mask))
