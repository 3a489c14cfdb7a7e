"""The whole way: mix, train, measure on people who were never heard, export."""

import json
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pipelines.adapters.extract.masked import FILE, Masked
from pipelines.models.ports import SpeakerEncoder, TargetExtractor
from pipelines.nets.extract import Extractor
from pipelines.speakers.spectrum import KEPT
from pipelines.units import SAMPLE_RATE
from training.common.export import Data, VectorTest, export, provenance
from training.common.loop import train
from training.extract.data import Batches, Mixer, Mixture, example
from training.extract.measures import mean_with_bounds, si_sdr
from training.extract.recipe import ExtractRecipe
from training.speakers.data import divided

Say = Callable[[str], None]
_POWER = 0.3


def loss_of(model: torch.nn.Module, batch: dict[str, Tensor]) -> Tensor:
    """Minus SI-SDR, in hundredths of a dB, over spectra (Parseval: the same as over samples, but for the windows' overlap), and the
    mean absolute difference of the compressed magnitudes, which counts what is quiet as well."""
    mask = model(batch["magnitudes"], batch["voice"])
    found, wanted = mask * batch["spectra"][..., :KEPT], batch["wanted"][..., :KEPT]
    return 0.01 * -_si_sdr(found, wanted).mean() + (_compressed(found) - _compressed(wanted)).abs().mean()


def _si_sdr(found: Tensor, wanted: Tensor) -> Tensor:
    """dB for each item of (B, T, F) spectra, up to 30: what is good enough need not become better."""
    a, b = (torch.view_as_real(x).flatten(1) for x in (found, wanted))
    part = (a * b).sum(1, keepdim=True) / b.square().sum(1, keepdim=True).clamp(min=1e-8) * b
    ratio = part.square().sum(1) / ((a - part).square().sum(1) + 1e-3 * part.square().sum(1) + 1e-8)
    return 10 * torch.log10(ratio + 1e-8)


def _compressed(spectra: Tensor) -> Tensor:
    return (torch.view_as_real(spectra).square().sum(-1) + 1e-8) ** (_POWER / 2)


def measured(extractor: TargetExtractor, mixtures: Sequence[Mixture]) -> dict[str, float]:
    """SI-SDR of the mixtures and of what was extracted, dB, with bounds over mixtures."""
    before = [si_sdr(m.sound, m.wanted) for m in mixtures]
    after = [si_sdr(extractor.extract(m.sound, m.voice), m.wanted) for m in mixtures]
    figures = {}
    for name, values in (("mixture", before), ("extracted", after), ("gained", np.subtract(after, before))):
        figures[name], figures[f"{name}_low"], figures[f"{name}_high"] = mean_with_bounds(list(values))
    figures["worse"] = float(np.mean(np.subtract(after, before) < 0))
    return figures


def run(
    recipe: ExtractRecipe,
    encoder: SpeakerEncoder,
    data: Path,
    out: Path,
    *,
    voices: str = "",
    fresh: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> Path:
    """Train, measure, export; returns the exported folder. The net follows voices of `encoder` alone, which is called `voices` on the
    card. Raises DataError, ModelError."""
    torch.set_num_threads(recipe.threads)
    parts = divided(recipe.data, data, say)
    mixers = {
        name: Mixer(getattr(parts, name), recipe.mixing, encoder, recipe.loop.seed + number)
        for number, name in enumerate(("train", "validation", "test"))
    }
    torch.manual_seed(recipe.loop.seed)
    net = Extractor(recipe.net, KEPT, encoder.size)
    say(f"{net.parameters_count:,} parameters; {recipe.mixing.mixtures} mixtures of {recipe.mixing.seconds:g} s")
    held = [_batch(mixers["validation"](i)) for i in range(recipe.mixing.tested)]

    def evaluate(model: torch.nn.Module) -> dict[str, float]:
        losses = [loss_of(model, item).item() for item in held]
        gained = [
            (
                _si_sdr(
                    model(item["magnitudes"], item["voice"]) * item["spectra"][..., :KEPT], item["wanted"][..., :KEPT]
                )
                - _si_sdr(item["spectra"][..., :KEPT], item["wanted"][..., :KEPT])
            ).item()
            for item in held
        ]
        say(f"validation: {np.mean(gained):.2f} dB gained")
        return {"loss": float(np.mean(losses)), "gained_db": float(np.mean(gained))}

    train(
        net,
        loss=loss_of,
        batches=Batches(mixers["train"], recipe.batch, recipe.loop.seed),
        evaluate=evaluate,
        settings=recipe.loop,
        out=out / "run",
        fresh=fresh,
        quiet=quiet,
    )
    net = net.cpu().eval()
    mixtures = [mixers["test"](i) for i in range(recipe.mixing.tested)]
    with tempfile.TemporaryDirectory() as scratch:
        to_onnx(net, encoder.size, Path(scratch, FILE))
        figures = measured(Masked(Path(scratch)), mixtures)
        (out / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
        say(", ".join(f"{name} {value:.2f}" for name, value in figures.items()))
        return _export(recipe, parts, figures, mixtures[0], Path(scratch, FILE), out / recipe.name, voices)


def _batch(mixture: Mixture) -> dict[str, Tensor]:
    return {name: torch.from_numpy(array)[None] for name, array in example(mixture).items()}


def to_onnx(net: Extractor, voice: int, path: Path) -> None:
    """magnitudes (1, T, KEPT) of any T, voice (1, size) -> mask (1, T, KEPT)."""
    torch.onnx.export(
        net.cpu().eval(),
        (torch.zeros(1, 100, KEPT), torch.zeros(1, voice)),
        str(path),
        input_names=["magnitudes", "voice"],
        output_names=["mask"],
        dynamic_axes={"magnitudes": {1: "time"}, "mask": {1: "time"}},
        opset_version=17,
        dynamo=False,
    )


def _export(
    recipe: ExtractRecipe,
    parts: Any,
    figures: dict[str, float],
    mixture: Mixture,
    weights: Path,
    folder: Path,
    voices: str,
) -> Path:
    sound = mixture.sound[: 4 * SAMPLE_RATE]
    return export(
        folder,
        name=folder.name,
        port="extract",
        kind="masked",
        licence=recipe.licence,
        note=recipe.note,
        weights={FILE: weights},
        provenance=provenance(
            data=[
                Data(
                    manifest=", ".join([*recipe.data.split, *recipe.data.train, *recipe.data.test]),
                    hours=round(sum(clip.duration for clip in getattr(parts, role)) / 3600, 4),
                    clips=len(getattr(parts, role)),
                    licence=recipe.licence,
                    role=role,
                )
                for role in ("train", "validation", "test")
            ],
            seed=recipe.loop.seed,
            recipe=recipe.model_dump(mode="json"),
            figures=figures,
            base=voices and f"voices of {voices}",
            languages=sorted({clip.language for clip in parts.train if clip.language}),
        ),
        self_test=VectorTest(
            audio=sound, voice=mixture.voice, output=Masked(weights.parent).extract(sound, mixture.voice)
        ),
        replace=True,
    )
