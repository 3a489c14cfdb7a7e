"""The network on frames: its batches, its training."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.audio.emotion_frames import SIZE
from pipelines.audio.features import Moments
from pipelines.nets.emotion import EmotionNet, EmotionNetSettings
from training.common.loop import train
from training.ctc.augment import masked
from training.emotion.recipe import EmotionRecipe

Floats = NDArray[np.float32]

_CROP = 400  # frames that a clip in training has at most: 4 s of it, drawn anew each time


class Batches:
    """Batch i of an epoch: labels in even shares, each time another variation, another part of it, other masks."""

    def __init__(
        self, inputs: Sequence[Sequence[Floats]], labels: Sequence[int], recipe: EmotionRecipe, seed: int
    ) -> None:
        self.inputs, self.labels, self.recipe, self.seed = inputs, np.array(labels), recipe, seed

    def epoch(self, number: int) -> "Epoch":
        return Epoch(self, number)


class Epoch:
    def __init__(self, batches: Batches, number: int) -> None:
        self._all, self._number = batches, number

    def __len__(self) -> int:
        return max(1, len(self._all.labels) // self._all.recipe.net.batch)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        if not 0 <= place < len(self):
            raise IndexError(place)
        b = self._all
        rng = np.random.default_rng([b.seed, self._number, place])
        classes = np.unique(b.labels)
        rows, labels = [], []
        for i in range(b.recipe.net.batch):
            label = classes[(i + self._number) % len(classes)]
            of = b.inputs[rng.choice(np.flatnonzero(b.labels == label))]
            frames = of[rng.integers(len(of))]
            start = int(rng.integers(0, max(1, len(frames) - _CROP + 1)))
            rows.append(masked(frames[start : start + _CROP], b.recipe.augment, rng, "log_mel"))
            labels.append(label)
        return {**padded(rows), "labels": torch.tensor(labels)}


def padded(rows: Sequence[Floats]) -> dict[str, torch.Tensor]:
    """`frames` (B, T, SIZE) and `lengths` (B,)."""
    lengths = [len(row) for row in rows]
    frames = torch.zeros(len(rows), max(lengths), SIZE)
    for i, row in enumerate(rows):
        frames[i, : len(row)] = torch.from_numpy(row)
    return {"frames": frames, "lengths": torch.tensor(lengths)}


def fit(
    inputs: Sequence[Sequence[Floats]], labels: Sequence[int], recipe: EmotionRecipe, seed: int, out: Path
) -> EmotionNet:
    """A net taught on all variations of each clip. It is not stopped early: there are too few speakers to spare one for that."""
    torch.manual_seed(seed)
    s = recipe.net
    net = EmotionNet(
        EmotionNetSettings(SIZE, len(recipe.labels), s.kind, s.width, s.layers, s.kernel, s.dropout)  # type: ignore[arg-type]
    )
    moments = Moments(SIZE)
    for rows in inputs:
        for row in rows:
            moments.add(row)
    net.mean.copy_(torch.from_numpy(moments.mean))
    net.deviation.copy_(torch.from_numpy(moments.deviation))

    def loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(
            model(batch["frames"], batch["lengths"]), batch["labels"], label_smoothing=s.smoothing
        )

    settings = recipe.loop.model_copy(update={"seed": seed, "checkpoint_every": 0, "tensorboard": False})
    train(
        net,
        loss=loss,
        batches=Batches(inputs, labels, recipe, seed).epoch,
        settings=settings,
        out=out,
        keep="last",
        quiet=True,
        fresh=True,
    )
    return net.cpu().eval()


@torch.inference_mode()
def logits(net: EmotionNet, inputs: Sequence[Floats]) -> NDArray[np.float64]:
    """(n, labels), one clip at a time."""
    net.eval()
    return np.stack([net(torch.from_numpy(frames)[None])[0].numpy() for frames in inputs]).astype(np.float64)
