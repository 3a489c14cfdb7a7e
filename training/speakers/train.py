"""The whole way: read and split, train, measure on people who were never heard, export."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.models.ports import Audio
from pipelines.nets.ecapa import Ecapa
from pipelines.speakers.frames import SIZE, voice_frames
from training.common.errors import DataError
from training.common.loop import Outcome, train
from training.common.telephony import Telephone
from training.speakers import conditions, measures
from training.speakers.data import Batches, Parts, divided, sounds
from training.speakers.encoders import open_encoder
from training.speakers.loss import Classifier
from training.speakers.recipe import SpeakersRecipe

Say = Callable[[str], None]
_EPOCH = 100


@dataclass(frozen=True)
class Encoder:
    """The port around a function."""

    size: int
    embed: Callable[[Audio], NDArray[np.float32]]


@dataclass
class Trained:
    """A net, and the threshold its validation speakers ask for."""

    net: Ecapa
    outcome: Outcome
    parts: Parts


def encoder(net: Ecapa) -> Callable[[Audio], NDArray[np.float32]]:
    """The net in training as an encoder: float32 (size,), length 1."""

    @torch.inference_mode()
    def embed(audio: Audio) -> NDArray[np.float32]:
        voice = net(torch.from_numpy(voice_frames(audio))[None])[0]
        return torch.nn.functional.normalize(voice, dim=0).numpy()

    return embed


def fit(
    recipe: SpeakersRecipe, data: Path, out: Path, *, fresh: bool = False, quiet: bool = False, say: Say = print
) -> Trained:
    """Train the recipe's net. Raises DataError, RecipeError."""
    torch.set_num_threads(recipe.threads)
    parts = divided(recipe.data, data, say)
    for name in ("train", "validation", "test"):
        clips = getattr(parts, name)
        minutes = sum(clip.duration for clip in clips) / 60
        say(f"{name}: {len(clips)} clips, {minutes:.1f} min, {len({c.speaker for c in clips})} speakers")
    line = Telephone(recipe.variety.telephone, sounds(recipe.data.noises, data, 0), sounds(recipe.data.rooms, data))
    teacher = open_encoder(recipe.teacher) if recipe.teacher else None
    batches = Batches(parts.train, recipe.variety, line, recipe.batch, recipe.loop.seed, _EPOCH, teacher)
    torch.manual_seed(recipe.loop.seed)
    net = Ecapa(recipe.net, SIZE)
    taught = teacher.size if teacher else 0
    model = Classifier(net, batches.speakers, recipe.sharpness, taught, recipe.teacher_weight)
    say(f"{batches.speakers} training speakers with their speeds, {net.parameters_count:,} parameters")
    noises, groups = sounds(recipe.data.noises, data, 1), conditions.groups(parts.validation)
    if len({speaker for group in groups for speaker in group.speakers}) < 2:
        raise DataError("validation needs two people at least: raise data.validation_share, or give more people.")
    grown = max(1.0, recipe.margin_from * recipe.loop.steps)

    def loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        margin = recipe.margin * min(1.0, batch["step"].item() / grown)
        return model(batch["frames"], batch["speakers"], margin, batch.get("voices"))

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        heard = [conditions.hear(group, encoder(model.net), noises) for group in groups]
        found = {
            way: measures.equal_error(measures.rates(conditions.verification(heard, way)))[0]
            for way in ("clean", "noisy", "short")
        }
        say("validation: " + ", ".join(f"{way} {100 * rate:.1f} %" for way, rate in found.items()))
        return found | {"eer": float(np.mean(list(found.values())))}

    outcome = train(
        model,
        loss=loss,
        batches=batches,
        evaluate=evaluate,
        watch="eer",
        settings=recipe.loop,
        out=out,
        fresh=fresh,
        quiet=quiet,
    )
    return Trained(model.net.cpu().eval(), outcome, parts)


def run(
    recipe: SpeakersRecipe, data: Path, out: Path, *, fresh: bool = False, quiet: bool = False, say: Say = print
) -> Path:
    """Train, measure, export; returns the exported folder. Raises DataError, RecipeError, ModelError."""
    from training.speakers.diarization import chosen, conversations
    from training.speakers.exporting import export_net
    from training.speakers.table import measure

    first = os.environ.get("RANK", "0") == "0"
    say = say if first else lambda _: None
    trained = fit(recipe, data, out / "run", fresh=fresh, quiet=quiet, say=say)
    if not first:
        return out / recipe.name
    noises = sounds(recipe.data.noises, data, 1)
    embed = encoder(trained.net)
    figures = measure(embed, trained.parts, noises)
    if len({clip.speaker for clip in trained.parts.validation}) >= 4:
        how = chosen(Encoder(recipe.net.size, embed), conversations(trained.parts.validation))
        figures["thresholds"] |= {"same": how.same, "other": how.other}
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    folder = export_net(trained.net, embed, trained.parts, recipe, figures, out / recipe.name, replace=True)
    say(f"exported: {folder}")
    return folder
