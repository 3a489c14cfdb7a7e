"""From a recipe to an end-of-turn model: cut the silences, train, measure on unseen speakers, export."""

import json
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from pipelines.adapters.turn.tune import FILE
from pipelines.audio import tune
from pipelines.audio.features import Moments
from pipelines.nets.ending import EndingNet
from training.common import audio, manifests, telephony
from training.common.export import Data, VectorTest, export, provenance
from training.common.loop import Outcome, train
from training.common.manifests import Limits
from training.common.ranking import area
from training.turn.data import Batches, Examples, Turn, divided, told
from training.turn.recipe import TurnRecipe

Say = Callable[[str], None]


def loss_of(net: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    plain = getattr(net, "module", net)
    return functional.binary_cross_entropy_with_logits(plain.logits(batch["frames"]), batch["ends"])


def fit(
    recipe: TurnRecipe,
    parts: Mapping[str, list[Turn]],
    data: Path,
    out: Path,
    *,
    fresh: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> tuple[EndingNet, Outcome]:
    """Train the recipe's net; it is left with the weights that were best on the validation's speakers."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.loop.seed)
    settings, length = recipe.data, recipe.net.build().frames
    sounds = [
        [
            audio.load(clip.audio)
            for clip in manifests.read_all([data / name for name in names], Limits(max_s=600, text=False))
        ]
        if names
        else []
        for names in (settings.noises, settings.rooms)
    ]
    line = telephony.Telephone(settings.telephone, *sounds)
    examples = Examples(parts["train"], line, settings.variations, settings.seed)
    aside = Examples(parts["validation"], line, 1, settings.seed + 1)
    say(f"heard through the telephone: {len(examples.frames)} recordings")
    batches = {place: Batches(aside, settings, length, recipe.loop.seed, 0)[place] for place in range(8)}
    chosen = {name: torch.cat([batch[name] for batch in batches.values()]) for name in ("frames", "ends")}
    net = EndingNet(recipe.net.build())
    net.mean, net.deviation = _moments(Batches(examples, settings, length, recipe.loop.seed, 0))

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        logits, ends = model.logits(chosen["frames"]), chosen["ends"]
        found = logits.numpy(), ends.numpy() > 0
        return {
            "loss": float(functional.binary_cross_entropy_with_logits(logits, ends)),
            "auc": area(found[0][found[1]], found[0][~found[1]]),
        }

    outcome = train(
        net,
        loss=loss_of,
        batches=lambda epoch: Batches(examples, settings, length, recipe.loop.seed, epoch),
        evaluate=evaluate,
        settings=recipe.loop,
        out=out,
        fresh=fresh,
        quiet=quiet,
    )
    return net.cpu().eval(), outcome


def run(
    recipe: TurnRecipe, data: Path, out: Path, *, fresh: bool = False, quiet: bool = False, say: Say = print
) -> Path:
    """The whole way; returns the folder with the model, `out / recipe.name`. Raises DataError, RecipeError, ModelError."""
    parts = divided(recipe.data, data)
    for name, turns in parts.items():
        say(f"{name}: {told(turns)}")
    net, outcome = fit(recipe, parts, data, out / "run", fresh=fresh, quiet=quiet, say=say)
    figures = {
        "steps": outcome.steps,
        "parameters": sum(p.numel() for p in net.parameters()),
        **{f"validation_{name}": value for name, value in dict(outcome.measures).get(outcome.best_step, {}).items()},
    }
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    folder = export_net(net, recipe, parts, figures, out / recipe.name)
    say(f"{figures}\nexported: {folder}")
    return folder


def to_onnx(net: EndingNet, frames: int, path: Path) -> None:
    """frames (1, frames, tune.SIZE) -> p_end."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter needs two packages more for the same graph
        torch.onnx.export(
            net,
            (torch.zeros(1, frames, tune.SIZE),),
            str(path),
            dynamo=False,
            input_names=["frames"],
            output_names=["p_end"],
        )


def export_net(
    net: EndingNet, recipe: TurnRecipe, parts: Mapping[str, list[Turn]], figures: Mapping[str, Any], folder: Path
) -> Path:
    """Write `folder`, whole or not at all. Raises ModelError, also if the served net answers otherwise."""
    length = recipe.net.build().frames
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, FILE)
        to_onnx(net, length, path)
        return export(
            folder,
            name=folder.name,
            port="turn",
            kind="tune",
            licence=recipe.licence,
            note=recipe.note,
            weights={FILE: path},
            provenance=provenance(
                data=[
                    Data(
                        manifest=", ".join(recipe.data.test_speech if role == "other" else recipe.data.speech),
                        hours=round(sum(turn.clip.duration for turn in turns) / 3600, 4),
                        clips=len(turns),
                        licence=recipe.licence,
                        role="test" if role == "other" else role,
                    )
                    for role, turns in parts.items()
                    if turns
                ],
                seed=recipe.loop.seed,
                recipe=recipe.model_dump(mode="json"),
                figures=dict(figures),
                languages=["en", "fr"],
            ),
            self_test=self_test(net, parts["validation"][0], length),
            replace=True,
        )


@torch.inference_mode()
def self_test(net: EndingNet, turn: Turn, length: int) -> VectorTest:
    """An utterance over a good line, and what the net in training says to it."""
    heard = telephony.plain(turn.audio)[-10 * 16_000 :]
    seen = tune.seen(tune.raw(heard[-(length + 2) * 160 :]), length)
    return VectorTest(audio=heard, output=net(torch.from_numpy(seen)[None]).numpy())


def _moments(batches: Batches) -> tuple[Tensor, Tensor]:
    moments = Moments(tune.SIZE)
    for place in range(10):
        frames = batches[place]["frames"].numpy().reshape(-1, tune.SIZE)
        moments.add(frames[frames[:, -1] > 0])
    mean, deviation = moments.mean, moments.deviation
    mean[-1], deviation[-1] = 0.0, 1.0  # the mark of frames that are there stays 1
    return torch.from_numpy(mean), torch.from_numpy(np.maximum(deviation, 0.05).astype(np.float32))
