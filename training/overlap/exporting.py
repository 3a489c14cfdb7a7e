"""A trained net becomes a folder that the server loads, with a self-test made by the net as it was trained."""

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipelines.adapters.overlap.gru import FILE, THRESHOLDS
from pipelines.audio.overlap_frames import SIZE, overlap_frames
from pipelines.nets.overlap import OverlapNet
from training.common.export import Data, VectorTest, export, provenance
from training.overlap.data import Prepared, Scene
from training.overlap.recipe import OverlapRecipe


def write_onnx(net: OverlapNet, path: Path) -> None:
    """The net for one call, from its onset to any frame."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter needs two packages more for the same graph
        torch.onnx.export(
            net,
            (torch.zeros(1, 20, SIZE),),
            str(path),
            dynamo=False,
            input_names=["frames"],
            output_names=["p_interruption"],
            dynamic_axes={"frames": {1: "t"}, "p_interruption": {1: "t"}},
        )


def export_net(
    net: OverlapNet,
    recipe: OverlapRecipe,
    parts: Mapping[str, Prepared],
    figures: Mapping[str, Any],
    scene: Scene,
    folder: Path,
) -> Path:
    """Write `folder`, whole or not at all. `figures["hold"]` is the threshold. Raises ModelError, also if the served net answers otherwise."""
    net.eval()
    with tempfile.TemporaryDirectory() as scratch:
        weights, thresholds = Path(scratch, FILE), Path(scratch, THRESHOLDS)
        write_onnx(net, weights)
        thresholds.write_text(json.dumps({"hold": round(figures["hold"], 4)}) + "\n")
        return export(
            folder,
            name=folder.name,
            port="overlap",
            kind="gru",
            licence=recipe.licence,
            note=recipe.note,
            weights={FILE: weights, THRESHOLDS: thresholds},
            provenance=provenance(
                data=[
                    Data(
                        manifest=", ".join(
                            ("synthesized by the recipe's voices", *recipe.data.people * (role == "train"))
                        ),
                        hours=round(part.hours, 4),
                        clips=part.clips,
                        licence=recipe.licence,
                        role=role,
                    )
                    for role, part in parts.items()
                ],
                seed=recipe.loop.seed,
                recipe=recipe.model_dump(mode="json"),
                figures=dict(figures),
                languages=["en", "fr"],
            ),
            self_test=self_test(net, scene),
            replace=True,
        )


@torch.inference_mode()
def self_test(net: OverlapNet, scene: Scene) -> VectorTest:
    """Half a second of a scene, and what the net in training says at its end."""
    heard = scene.audio[scene.onset - 1_600 : scene.onset + 6_400]
    return VectorTest(audio=heard, output=net(torch.from_numpy(overlap_frames(heard))[None])[0, -1:].numpy())
