"""A trained net becomes a folder that the server loads, with a self-test made by the net as it was trained."""

import json
import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipelines.adapters.overlap.whisper import FILE, THRESHOLDS
from pipelines.nets.overlap import STATES, OverlapNet
from pipelines.turns.barge_in import BEFORE
from training.common.export import Data, VectorTest, export, provenance
from training.overlap.data import Prepared
from training.overlap.examples import Example, together
from training.overlap.recipe import OverlapRecipe

_TOLERANCE = 0.15  # the encoder's int8 arithmetic differs between processors


def write_onnx(net: OverlapNet, path: Path) -> None:
    """The net for one call."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter needs two packages more for the same graph
        torch.onnx.export(
            net,
            (torch.zeros(1, STATES, net.settings.size), torch.tensor([20])),
            str(path),
            dynamo=False,
            input_names=["states", "lengths"],
            output_names=["p_interruption"],
        )


def export_net(
    net: OverlapNet,
    recipe: OverlapRecipe,
    parts: Mapping[str, Prepared],
    figures: Mapping[str, Any],
    example: Example,
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
            kind="whisper-states",
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
            self_test=self_test(net, example),
            encoder=recipe.encoder,
            replace=True,
        )


@torch.inference_mode()
def self_test(net: OverlapNet, example: Example) -> VectorTest:
    """What is heard up to the last question of an example, and what the net in training answers."""
    ask = example.asks[-1]
    heard = example.scene.audio[max(0, example.first - BEFORE) : ask.end]
    return VectorTest(audio=heard, output=net(*together([ask])).numpy(), tolerance=_TOLERANCE)
