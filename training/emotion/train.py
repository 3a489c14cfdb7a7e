"""From a recipe to a model that the server loads: each speaker left out in turn, then taught on all, then exported."""

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from scipy.special import softmax

from pipelines.adapters.emotion import verdict
from pipelines.adapters.emotion.verdict import Verdict
from pipelines.audio.emotion_frames import SIZE
from pipelines.models.self_test import VectorTest
from pipelines.nets.emotion import EmotionNet, Served
from training.common import audio, telephony
from training.common.export import Data, export, provenance, require_free
from training.emotion import measures
from training.emotion.crossing import Crossed, Prepared, cross, fit, prepare
from training.emotion.data import noise, noise_licences
from training.emotion.pictures import confusion_picture
from training.emotion.recipe import EmotionRecipe

Say = Callable[[str], None]

_KIND = {"logistic": "emotion-functionals", "svm": "emotion-functionals", "ssl": "emotion-ssl"}


def judge(recipe: EmotionRecipe, prepared: Prepared, found: Crossed) -> dict[str, Any]:
    """The figures of a crossing, shares from 0 to 1."""
    labels, speakers, n = prepared.labels, prepared.speakers, len(recipe.labels)
    said = found.logits.argmax(1)
    p = measures.calibrated(found.logits, labels, speakers)
    names = np.array(speakers)
    return {
        "uar": measures.uar(labels, said, n),
        "recalls": dict(zip(recipe.labels, measures.recalls(labels, said, n).tolist(), strict=True)),
        "speakers": {s: measures.uar(labels[names == s], said[names == s], n) for s in sorted(set(speakers))},
        "confusion": measures.confusion(labels, said, n).tolist(),
        "calibration_error": measures.calibration_error(p, labels),
        "calibration_error_before": measures.calibration_error(softmax(found.logits, axis=1), labels),
        "anger_caught": found.caught,
        "false_alarms": found.alarms,
        "angry_at_half": {name: float((p >= measures.LEAST).mean()) for name, p in found.calm.items()},
        "parameters": found.parameters,
    }


def measured(
    recipe: EmotionRecipe, prepared: Prepared, out: Path, say: Say = print
) -> tuple[list[dict[str, Any]], Crossed]:
    """Figures for each seed, and the first seed's crossing. `uar_interval`, in the first seed's, is that of the mean over seeds."""
    figures, crossed = [], []
    for seed in recipe.seeds[:1] if recipe.net.linear else recipe.seeds:
        say(f"{recipe.name}, seed {seed}: each speaker left out in turn")
        found = cross(recipe, prepared, seed, out / "folds" / str(seed), say)
        crossed.append(found)
        figures.append(judge(recipe, prepared, found))
    said = np.stack([found.logits.argmax(1) for found in crossed])
    low, high = measures.uar_interval(prepared.labels, said, prepared.speakers, len(recipe.labels))
    figures[0]["uar_interval"] = low, high
    say(
        f"unweighted average recall {100 * np.mean([each['uar'] for each in figures]):.1f} % "
        f"({100 * low:.1f} to {100 * high:.1f}), chance {100 / len(recipe.labels):.0f} %"
    )
    return figures, crossed[0]


def run(recipe: EmotionRecipe, data: Path, out: Path, say: Say = print) -> Path:
    """The whole way; returns the exported folder, `out / recipe.name`. Raises DataError, ModelError."""
    torch.set_num_threads(1)  # the same seed, the same figures
    folder = out / recipe.name
    require_free(folder, replace=True)
    out.mkdir(parents=True, exist_ok=True)
    prepared = prepare(recipe, data, say)
    say(
        f"{len(prepared.spoken)} clips of {len(set(prepared.speakers))} speakers; {sum(map(len, prepared.calm.values()))} of calm callers"
    )
    figures, crossed = measured(recipe, prepared, out, say)
    (out / f"{recipe.name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    confusion_picture(np.array(figures[0]["confusion"]), recipe.labels, recipe.note, out / f"{recipe.name}.png")
    temperature = measures.temperature(crossed.logits, prepared.labels)
    model, trained = fit(recipe, prepared, range(len(prepared.spoken)), recipe.seeds[0], out / "run")
    angry = recipe.labels.index("anger")
    calm = {name: softmax(model(clips) / temperature, axis=1)[:, angry] for name, clips in prepared.calm.items()}
    bar = measures.threshold(calm, recipe.false_alarms)
    figures[0] |= {"temperature": temperature, "threshold": bar}
    say(
        f"calm callers are called angry in at most {100 * recipe.false_alarms:g} % at a probability of {bar:.2f} (others: {figures[0]['false_alarms']})"
    )
    with tempfile.TemporaryDirectory() as scratch:
        weights = written(Path(scratch), recipe, trained, temperature, bar)
        clip = min(prepared.spoken, key=lambda each: abs(each.clip.duration - 3.0)).clip
        heard = telephony.plain(audio.load(clip.audio))
        place = next(i for i, each in enumerate(prepared.spoken) if each.clip is clip)
        p = softmax(model([prepared.inputs[place][0]])[0] / temperature).astype(np.float32)
        export(
            folder,
            name=recipe.name,
            port="emotion",
            kind=_KIND.get(recipe.net.kind, "emotion-frames"),
            licence=recipe.licence,
            note=recipe.note,
            weights=weights,
            provenance=provenance(
                data=[
                    Data(
                        manifest=", ".join(recipe.data.manifests),
                        hours=round(sum(each.clip.duration for each in prepared.spoken) / 3600, 4),
                        clips=len(prepared.spoken),
                        licence=recipe.licence,
                    ),
                    *(
                        Data(
                            manifest=", ".join(recipe.data.noises),
                            hours=round(sum(clip.duration for clip in noises) / 3600, 4),
                            clips=len(noises),
                            licence=noise_licences(recipe, data),
                            role="noise",
                        )
                        for noises in [noise(recipe, data)]
                        if noises
                    ),
                ],
                seed=recipe.seeds[0],
                recipe=recipe.model_dump(mode="json"),
                figures=figures[0],
                languages=[recipe.language],
                base=recipe.net.base,
            ),
            self_test=VectorTest(audio=heard, output=p, language=recipe.language),
            replace=True,
        )
    say(f"exported: {folder}")
    return folder


def to_onnx(net: EmotionNet, temperature: float, path: Path) -> None:
    """frames (1, T, SIZE) of any T -> log_p (1, labels)."""
    torch.onnx.export(
        Served(net, temperature).eval(),
        (torch.zeros(1, 200, SIZE),),
        path,
        input_names=["frames"],
        output_names=["log_p"],
        dynamic_axes={"frames": {1: "T"}},
        dynamo=False,
    )


def written(
    folder: Path, recipe: EmotionRecipe, trained: object, temperature: float, angry_at: float
) -> dict[str, Path]:
    """The files that the adapter reads, by name."""
    config = Verdict(labels=recipe.labels, thresholds={"anger": angry_at})
    (folder / verdict.FILE).write_bytes(msgspec.json.format(msgspec.json.encode(config)))
    names = [verdict.FILE]
    if isinstance(trained, EmotionNet):
        to_onnx(trained, temperature, folder / "model.onnx")
        names.append("model.onnx")
    else:
        cooled = trained.cooled(temperature)
        np.savez(folder / "linear.npz", weights=cooled.weights.astype(np.float32), bias=cooled.bias.astype(np.float32))
        names.append("linear.npz")
        if recipe.net.kind == "ssl":
            from pipelines.adapters.emotion.ssl import Encoder

            names += Encoder(recipe.net.base).save(folder)
    return {name: folder / name for name in names}
