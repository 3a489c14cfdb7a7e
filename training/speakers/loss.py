"""Additive angular margin softmax (ArcFace: Deng et al. 2019; for speakers: Xiang et al. 2019).

Each training speaker has a direction. A clip must be nearer to its own than to all others, and nearer still by the margin: the
angle to its own is made wider before the softmax. What remains of the classifier after training is the space it was taught in.

A teacher that knows thousands of people can be listened to as well: through one matrix, the voice must also point where the teacher's
does, who hears the good recording while the net hears the telephone. Few people teach little about all the others; he knows them.
"""

import math

import torch
from torch import Tensor, nn

from pipelines.nets.ecapa import Ecapa


class Classifier(nn.Module):
    """The net and the directions of the training's speakers: `forward(frames, speakers, margin) -> loss`; with a teacher of voices of
    `taught` numbers, `forward(frames, speakers, margin, voices)`."""

    def __init__(self, net: Ecapa, speakers: int, sharpness: float, taught: int = 0, weight: float = 1.0) -> None:
        super().__init__()
        self.net, self.sharpness, self.weight = net, sharpness, weight
        self.teacher = nn.Linear(net.settings.size, taught) if taught else None
        self.directions = nn.Parameter(torch.empty(speakers, net.settings.size))
        nn.init.xavier_normal_(self.directions)

    def forward(self, frames: Tensor, speakers: Tensor, margin: float, voices: Tensor | None = None) -> Tensor:
        found = self.net(frames)
        with torch.autocast(frames.device.type, enabled=False):  # angles need all their digits
            found = nn.functional.normalize(found.float())
            cosines = found @ nn.functional.normalize(self.directions).T
            loss = nn.functional.cross_entropy(self.sharpness * widened(cosines, speakers, margin), speakers)
            if self.teacher is not None and voices is not None:
                loss = loss + self.weight * (1 - nn.functional.cosine_similarity(self.teacher(found), voices)).mean()
        return loss


def widened(cosines: Tensor, speakers: Tensor, margin: float) -> Tensor:
    """`cosines` (B, speakers) with cos(angle + margin) for the right one. Beyond pi - margin, where that would rise again, a straight
    line goes on falling."""
    own = cosines.gather(1, speakers[:, None])
    sines = (1 - own.square()).clamp(min=1e-7).sqrt()
    moved = own * math.cos(margin) - sines * math.sin(margin)
    moved = torch.where(own > math.cos(math.pi - margin), moved, own - math.sin(math.pi - margin) * margin)
    return cosines.scatter(1, speakers[:, None], moved)
