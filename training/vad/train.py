"""From a recipe to a voice activity model: make the mixtures, train, measure on unseen speakers and noises, export."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from pipelines.audio.features import Moments
from pipelines.audio.windows import WINDOW, seen, spans
from pipelines.models.ports import VoiceActivity
from pipelines.nets.voicing import VoicingNet
from training.common.loop import Outcome, train
from training.common.ranking import area
from training.vad.data import Mixer, Prepared, prepare
from training.vad.exporting import export_net
from training.vad.labels import UNSURE, of_windows
from training.vad.recipe import VadRecipe

Say = Callable[[str], None]
_FLOOR = float(np.log(10 ** (-76 / 10)))  # of features.py: what is quieter is held there
_LOUDER = float(np.log(10 ** (6 / 10)))
_QUIETER = float(np.log(10 ** (-20 / 10)))


class Mixtures:
    """Features (n, T, F) and labels (n, T) of mixtures `first` to `first + count - 1`, made once."""

    def __init__(self, mixer: Mixer, first: int, count: int, seconds: float, bands: int) -> None:
        features, labels = [], []
        for number in range(first, first + count):
            mixed = mixer(number, seconds)
            features.append(seen(spans(mixed.audio), bands).astype(np.float16))
            labels.append(of_windows(mixed.speech, WINDOW))
        self.features: NDArray[np.float16] = np.stack(features)
        self.labels: NDArray[np.int8] = np.stack(labels)

    def moments(self) -> tuple[Tensor, Tensor]:
        moments = Moments(self.features.shape[2])
        for one in self.features[:200]:
            moments.add(one.astype(np.float32))
        return torch.from_numpy(moments.mean), torch.from_numpy(moments.deviation)


class Batches(Sequence):
    """An epoch. The same epoch and place give the same batch."""

    def __init__(self, mixtures: Mixtures, size: int, crop: int, seed: int, epoch: int) -> None:
        self._mixtures, self._size, self._crop, self._seed, self._epoch = mixtures, size, crop, seed, epoch
        self._order = np.random.default_rng([seed, epoch]).permutation(len(mixtures.labels))

    def __len__(self) -> int:
        return max(1, len(self._order) // self._size)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        chosen = self._order[place * self._size : (place + 1) * self._size]
        rng = np.random.default_rng([self._seed, self._epoch, place])
        gains = rng.uniform(_QUIETER, _LOUDER, (len(chosen), 1, 1)).astype(np.float32)
        starts = rng.integers(max(1, self._mixtures.labels.shape[1] - self._crop), size=len(chosen))
        places = [(i, slice(start, start + self._crop)) for i, start in zip(chosen, starts, strict=True)]
        features = np.stack([self._mixtures.features[place] for place in places]).astype(np.float32)
        return {
            "features": torch.from_numpy(np.maximum(features + gains, _FLOOR)),
            "labels": torch.from_numpy(np.stack([self._mixtures.labels[place] for place in places])),
        }


def loss_of(net: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy over the windows that are surely speech or surely not."""
    plain = getattr(net, "module", net)
    features, labels = batch["features"], batch["labels"]
    logits, _ = plain.logits(features, plain.initial(len(features)).to(features.device))
    sure = labels != UNSURE
    return functional.binary_cross_entropy_with_logits(logits[sure], labels[sure].float())


def fit(
    recipe: VadRecipe, prepared: Prepared, out: Path, *, fresh: bool = False, quiet: bool = False, say: Say = print
) -> tuple[VoicingNet, Outcome]:
    """Train the recipe's net; it is left with the weights that were best on the validation's speakers."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.loop.seed)
    data, settings = recipe.data, recipe.net.build()
    mixer = Mixer(prepared.train, prepared.noises, prepared.rooms, recipe.mix, data.seed)
    mixtures = Mixtures(mixer, 0, data.mixtures, data.seconds, settings.bands)
    aside = Mixer(prepared.validation, prepared.noises, prepared.rooms, recipe.mix, data.seed + 1)
    validation = Mixtures(aside, 0, max(8, data.mixtures // 15), data.seconds, settings.bands)
    say(
        f"mixtures: {len(mixtures.labels)} to train on, {len(validation.labels)} to choose by; speech in {100 * (mixtures.labels == 1).mean():.0f} % of the windows"
    )
    net = VoicingNet(settings)
    net.mean, net.deviation = mixtures.moments()

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        features, labels = torch.from_numpy(validation.features.astype(np.float32)), validation.labels
        logits, _ = model.logits(features, model.initial(len(features)))
        sure = labels != UNSURE
        loss = functional.binary_cross_entropy_with_logits(
            logits[torch.from_numpy(sure)], torch.from_numpy(labels[sure]).float()
        )
        return {"loss": float(loss), "auc": area(logits.numpy()[labels == 1], logits.numpy()[labels == 0])}

    outcome = train(
        net,
        loss=loss_of,
        batches=lambda epoch: Batches(mixtures, data.batch, data.crop, recipe.loop.seed, epoch),
        evaluate=evaluate,
        settings=recipe.loop,
        out=out,
        fresh=fresh,
        quiet=quiet,
    )
    return net.cpu().eval(), outcome


def run(
    recipe: VadRecipe,
    data: Path,
    out: Path,
    teacher: VoiceActivity | None,
    *,
    fresh: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> Path:
    """The whole way; returns the folder with the model, `out / recipe.name`. Raises DataError, RecipeError, ModelError."""
    prepared = prepare(recipe.data, data, teacher, say)
    net, outcome = fit(recipe, prepared, out / "run", fresh=fresh, quiet=quiet, say=say)
    figures = {
        "steps": outcome.steps,
        "parameters": sum(p.numel() for p in net.parameters()),
        **{f"validation_{name}": value for name, value in dict(outcome.measures).get(outcome.best_step, {}).items()},
    }
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    folder = export_net(net, recipe, prepared, figures, out / recipe.name)
    say(f"{figures}\nexported: {folder}")
    return folder
