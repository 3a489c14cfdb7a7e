"""Additive angular margin softmax (ArcFace: Deng et al. 2019; for speakers: Xiang et al. 2019).

Each training speaker has a direction. A clip must be nearer to its own than to all others, and nearer still by the margin: the
angle to its own is made wider before the softmax. What remains of the classifier after training is the space it was taught in.
"""

import math

import torch
from torch import Tensor, nn

from pipelines.nets.ecapa import Ecapa


class Classifier(nn.Module):
    """The net and the directions of the training's speakers: `forward(frames, speakers, margin) -> loss`."""

    def __init__(self, net: Ecapa, speakers: int, sharpness: float) -> None:
        super().__init__()
        self.net, self.sharpness = net, sharpness
        self.directions = nn.Parameter(torch.empty(speakers, net.settings.size))
        nn.init.xavier_normal_(self.directions)

    def forward(self, frames: Tensor, speakers: Tensor, margin: float) -> Tensor:
        cosines = nn.functional.normalize(self.net(frames)) @ nn.functional.normalize(self.directions).T
        logits = self.sharpness * widened(cosines, speakers, margin)
        return nn.functional.cross_entropy(logits, speakers)


def widened(cosines: Tensor, speakers: Tensor, margin: float) -> Tensor:
    """`cosines` (B, speakers) with cos(angle + margin) for the right one. Beyond pi - margin, where that would rise again, a straight
    line goes on falling."""
    own = cosines.gather(1, speakers[:, None])
    sines = (1 - own.square()).clamp(min=1e-7).sqrt()
    moved = own * math.cos(margin) - sines * math.sin(margin)
    moved = torch.where(own > math.cos(math.pi - margin), moved, own - math.sin(math.pi - margin) * margin)
    return cosines.scatter(1, speakers[:, None], moved)
