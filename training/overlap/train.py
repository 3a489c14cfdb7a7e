"""From a recipe to an overlap net: make the scenes, train, choose the threshold on unheard voices, export."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from rich.progress import track
from torch import Tensor
from torch.nn import functional

from pipelines.audio.features import Moments
from pipelines.models.ports import VoiceActivity
from pipelines.nets.overlap import OverlapNet
from training.common.loop import Outcome, train
from training.overlap.data import Maker, Prepared, Scene, prepare
from training.overlap.examples import Batches, Example, Hear, examples
from training.overlap.exporting import export_net
from training.overlap.measures import heard, noticed, shares, threshold
from training.overlap.recipe import OverlapRecipe

Say = Callable[[str], None]
OTHERS = ("noise", "far", "echo")
_LINES = 2  # through which each sound of the validation is heard
_OTHERS = 100  # of each kind


def loss_of(net: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Cross-entropy over the questions."""
    plain = getattr(net, "module", net)
    return functional.binary_cross_entropy_with_logits(plain.logits(batch["states"], batch["lengths"]), batch["labels"])


def aside(maker: Maker, prepared: Prepared) -> list[Scene]:
    """Every sound of a part through some lines, and what else is heard on them."""
    sounds = [*prepared.said, *prepared.people]
    scenes = [maker.of(sound, place * _LINES + line) for place, sound in enumerate(sounds) for line in range(_LINES)]
    return scenes + [maker.other(kind, number) for kind in OTHERS for number in range(_OTHERS)]


def limit(net: OverlapNet, some: Sequence[Example], share: float) -> float:
    """The threshold at which `share` of the murmurs, or of all else that is no interruption, make the agent hold its breath."""
    murmurs = [one for one in some if one.scene.kind == "murmurs"]
    return threshold([heard(net, murmurs), heard(net, [one for one in some if one.scene.kind in OTHERS])], share)


def fit(
    recipe: OverlapRecipe,
    train_on: Prepared,
    validation: Prepared,
    vad: VoiceActivity,
    hear: Hear,
    out: Path,
    *,
    fresh: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> tuple[OverlapNet, Outcome, list[Example]]:
    """Train the recipe's net; it is left with the weights that were best on the validation's voices, which are given back as heard."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.loop.seed)
    data = recipe.data
    maker = Maker(train_on, recipe.mix, data.seed)
    numbers = track(range(data.scenes), "scenes", console=Console(stderr=True), disable=quiet)
    some = [one for number in numbers for one in examples([maker(number)], vad, hear, data.asks)]
    chosen = examples(aside(Maker(validation, recipe.mix, data.seed + 1), validation), vad, hear)
    say(f"scenes: {len(some)} to train on, {len(chosen)} to choose by")
    asks = [ask for one in some for ask in one.asks]
    net = OverlapNet(recipe.net.build(asks[0].states.shape[1]))
    moments = Moments(net.settings.size)
    for ask in asks[:2_000]:
        moments.add(ask.states.astype(np.float32))
    net.mean, net.deviation = torch.from_numpy(moments.mean), torch.from_numpy(moments.deviation)
    wanted = [one for one in chosen if one.scene.kind == "interruptions"]

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        least = limit(model, chosen, recipe.false_holds)
        share = shares(noticed(wanted, heard(model, wanted), least))
        return {"missed": 1 - sum(share[ms] for ms in (200, 250, 300)) / 3, "threshold": least}

    outcome = train(
        net,
        loss=loss_of,
        batches=lambda epoch: Batches(some, data.batch, recipe.loop.seed, epoch),
        evaluate=evaluate,
        watch="missed",
        settings=recipe.loop,
        out=out,
        fresh=fresh,
        quiet=quiet,
    )
    return net.cpu().eval(), outcome, chosen


def run(
    recipe: OverlapRecipe,
    data: Path,
    said: Path,
    out: Path,
    vad: VoiceActivity,
    hear: Hear,
    *,
    fresh: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> Path:
    """The whole way; returns the folder with the model, `out / recipe.name`. Raises DataError, RecipeError, ModelError."""
    parts = {part: prepare(recipe, data, said, part) for part in ("train", "validation")}
    for name, part in parts.items():
        say(f"{name}: {len(part.said)} sounds of voices, {len(part.people)} of people, {len(part.noises)} noises")
    net, outcome, chosen = fit(recipe, *parts.values(), vad, hear, out / "run", fresh=fresh, quiet=quiet, say=say)
    figures = {
        "steps": outcome.steps,
        "best_step": outcome.best_step,
        "parameters": sum(p.numel() for p in net.parameters()),
        "hold": limit(net, chosen, recipe.false_holds),
        **{f"validation_{name}": value for name, value in dict(outcome.measures).get(outcome.best_step, {}).items()},
    }
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    folder = export_net(net, recipe, parts, figures, chosen[0], out / recipe.name)
    say(f"{figures}\nexported: {folder}")
    return folder
