"""From a recipe to a denoiser that the server loads: read, mix, train, export."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from pipelines.nets.denoise_mask import MaskNet
from pipelines.nets.denoise_waveform import WaveformNet
from training.common.audio import to_float
from training.common.errors import DataError
from training.common.export import require_free
from training.common.loop import Outcome, train
from training.denoise.data import Batches, Mixer, Part, parts
from training.denoise.exporting import export_net
from training.denoise.losses import l1, levelled, si_sdr, spectral
from training.denoise.recipe import DenoiseRecipe, LossSettings, NetSettings

Say = Callable[[str], None]
Net = MaskNet | WaveformNet

_VALIDATED = 64
"""Pairs that choose the weights; the same at each evaluation."""


@dataclass(frozen=True)
class Trained:
    """A net, how it came to be, and what it does to unseen speakers in unseen noise."""

    net: Net
    outcome: Outcome
    figures: dict[str, float]


def build(settings: NetSettings) -> Net:
    """The net of a recipe, untrained."""
    kind = {"mask": MaskNet, "waveform": WaveformNet}[settings.kind]
    return kind(settings.width, settings.layers)


def loss_of(net: torch.nn.Module, pair: torch.Tensor, settings: LossSettings, delay: int) -> torch.Tensor:
    """`pair`: (2, batch, n), noisy and clean. A scalar."""
    noisy, clean = pair
    wanted = clean
    if settings.keep_db is not None:
        wanted = clean + 10 ** (settings.keep_db / 20) * (noisy - clean)
    found, wanted = levelled(net(noisy)[:, delay:], wanted[:, :-delay], by=clean)
    return settings.l1 * l1(found, wanted) + settings.stft * spectral(found, wanted)


def measured(net: Net, pairs: torch.Tensor, settings: LossSettings, batch: int) -> dict[str, float]:
    """Mean loss, SI-SDR (dB) and what of it was gained, over `pairs` (2, count, n)."""
    found = {"loss": [], "si_sdr": [], "gain": []}
    for chunk in pairs.split(batch, 1):
        found["loss"].append(float(loss_of(net, chunk, settings, net.delay)))
        before = si_sdr(chunk[0], chunk[1])
        after = si_sdr(net(chunk[0])[:, net.delay :], chunk[1][:, : -net.delay])
        found["si_sdr"].append(float(after.mean()))
        found["gain"].append(float((after - before).mean()))
    return {name: float(np.mean(values)) for name, values in found.items()}


def fit(
    recipe: DenoiseRecipe, read: dict[str, Part], out: Path, *, fresh: bool = False, quiet: bool = False
) -> Trained:
    """Build the recipe's net from its seed and train it."""
    torch.set_num_threads(recipe.threads)
    torch.manual_seed(recipe.loop.seed)
    net = build(recipe.net)
    mixers = {name: Mixer(part, recipe.mix, recipe.data.seconds, recipe.loop.seed) for name, part in read.items()}
    batches = Batches(mixers["train"], recipe.data, recipe.loop.seed)
    held = mixers["validation"]
    pairs = [np.stack(held.pair(i % len(held), i // len(held))) for i in range(_VALIDATED)]
    validation = torch.from_numpy(np.stack(pairs, axis=1))
    outcome = train(
        net,
        loss=lambda model, pair: loss_of(model, pair, recipe.loss, net.delay),
        batches=batches,
        evaluate=lambda model: measured(model, validation, recipe.loss, recipe.data.batch),
        settings=recipe.loop,
        out=out,
        fresh=fresh,
        quiet=quiet,
    )
    net = net.cpu().eval()
    with torch.inference_mode():
        figures = measured(net, validation, recipe.loss, recipe.data.batch)
    return Trained(net, outcome, {f"validation_{name}": value for name, value in figures.items()})


def run(
    recipe: DenoiseRecipe,
    data: Path,
    out: Path,
    *,
    fresh: bool = False,
    quiet: bool = False,
    replace: bool = False,
    say: Say = print,
) -> Path:
    """The whole way; returns the exported folder, `out / recipe.name`. Raises DataError, RecipeError, ModelError."""
    first = os.environ.get("RANK", "0") == "0"  # of several processes
    folder = out / recipe.name
    require_free(folder, replace)
    read = parts(recipe.data, data)
    for name, part in read.items():
        if first:
            sounds = f"{len(part.noises)} noises, {len(part.music)} pieces of music, {len(part.rooms)} rooms"
            speakers = len({speaker for speaker, _ in part.speech})
            say(f"{name}: {len(part.speech)} clips, {part.minutes:.1f} min, {speakers} speakers; {sounds}")
        if not part.speech:
            raise DataError(f"{name} has no speech. Name more manifests in data.speech, or more speakers.")
    trained = fit(recipe, read, out / "run", fresh=fresh, quiet=quiet)
    if not first:  # one exports
        return folder
    figures = trained.figures | {"parameters": float(sum(each.numel() for each in trained.net.parameters()))}
    say(f"validation: SI-SDR {figures['validation_si_sdr']:.1f} dB, {figures['validation_gain']:+.1f} dB")
    (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    clip = Mixer(read["validation"], recipe.mix, recipe.data.seconds, recipe.loop.seed).pair(0, 0)[0]
    export_net(trained.net, recipe, read, figures, to_float((clip * 32_768).astype(np.int16)), folder, replace=replace)
    say(f"exported to {folder}; `allo models add {folder}` puts it into the store")
    return folder
