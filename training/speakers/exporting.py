"""A trained net becomes an ONNX file, and a folder that the server verifies."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.adapters.speaker.ecapa import FILE, THRESHOLDS
from pipelines.models.ports import Audio
from pipelines.nets.ecapa import Ecapa
from pipelines.speakers.frames import SIZE
from pipelines.units import SAMPLE_RATE
from training.common import telephony
from training.common.export import Data, VectorTest, export, provenance
from training.common.manifests import Clip
from training.speakers.data import Parts, spoken
from training.speakers.recipe import SpeakersRecipe


def to_onnx(net: Ecapa, path: Path) -> None:
    """Write the net as ONNX: frames (1, T, SIZE) of any T -> voice (1, size), not yet of length 1."""
    net = net.cpu().eval()
    torch.onnx.export(
        net,
        (torch.zeros(1, 200, SIZE),),
        str(path),
        input_names=["frames"],
        output_names=["voice"],
        dynamic_axes={"frames": {1: "time"}},
        opset_version=17,
        dynamo=False,
    )


def export_net(
    net: Ecapa,
    embed: Callable[[Audio], NDArray[np.float32]],
    parts: Parts,
    recipe: SpeakersRecipe,
    figures: Mapping[str, Any],
    folder: Path,
    *,
    replace: bool = False,
) -> Path:
    """Write `folder`, whole or not at all. `embed`: the net as it was trained; `figures`: `table.measure`. Raises ModelError."""
    with tempfile.TemporaryDirectory() as scratch:
        weights, thresholds = Path(scratch, FILE), Path(scratch, THRESHOLDS)
        to_onnx(net, weights)
        thresholds.write_text(json.dumps(figures["thresholds"], indent=2) + "\n")
        audio = telephony.plain(_clip(parts))
        return export(
            folder,
            name=folder.name,
            port="speaker",
            kind="ecapa",
            licence=recipe.licence,
            note=recipe.note,
            weights={FILE: weights, THRESHOLDS: thresholds},
            provenance=provenance(
                data=[_told(role, getattr(parts, role), recipe) for role in ("train", "validation", "test")],
                seed=recipe.loop.seed,
                recipe=recipe.model_dump(mode="json"),
                figures=figures,
                base=recipe.teacher and f"taught by {recipe.teacher.partition(':')[0]}",
                languages=sorted({clip.language for clip in parts.train if clip.language}),
            ),
            self_test=VectorTest(audio=audio, output=embed(audio)),
            replace=replace,
        )


def _clip(parts: Parts) -> Audio:
    """Up to four seconds of someone who was only tested."""
    return spoken(max(parts.test, key=lambda clip: clip.duration))[: 4 * SAMPLE_RATE]


def _told(role: str, clips: Sequence[Clip], recipe: SpeakersRecipe) -> Data:
    d = recipe.data
    manifests = {
        "train": [*d.train, *d.split],
        "validation": d.split,
        "test": [*d.split, *d.test, *d.train * bool(d.aside)],
    }
    return Data(
        manifest=", ".join(manifests[role]),
        hours=round(sum(clip.duration for clip in clips) / 3600, 4),
        clips=len(clips),
        licence=recipe.licence,
        role=role,
    )
