"""A trained net becomes a folder that the server loads, with a self-test made by the net as it was trained."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipelines.adapters.vad.gru import FILE
from pipelines.audio.windows import seen, spans
from pipelines.nets.voicing import VoicingNet
from training.common.export import Data, VectorTest, export, provenance
from training.vad.data import Mixer, Prepared
from training.vad.recipe import VadRecipe

_SELF_TEST_S = 6.0


def write_onnx(net: VoicingNet, path: Path) -> None:
    """The net for windows that come one at a time, for any number of calls."""
    size = net.settings.size
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the newer exporter needs two packages more for the same graph
        torch.onnx.export(
            net,
            (torch.zeros(1, 1, size), net.initial(1)),
            str(path),
            dynamo=False,
            input_names=["frames", "memory"],
            output_names=["p_speech", "memory_after"],
            dynamic_axes={"frames": {0: "n"}, "memory": {1: "n"}, "p_speech": {0: "n"}, "memory_after": {1: "n"}},
        )


def export_net(
    net: VoicingNet,
    recipe: VadRecipe,
    prepared: Prepared,
    figures: Mapping[str, Any],
    folder: Path,
    *,
    replace: bool = True,
) -> Path:
    """Write `folder`, whole or not at all. Raises ModelError, also if the served net answers otherwise."""
    net.eval()
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, FILE)
        write_onnx(net, path)
        return export(
            folder,
            name=folder.name,
            port="vad",
            kind="gru",
            licence=recipe.licence,
            note=recipe.note,
            weights={FILE: path},
            provenance=provenance(
                data=[
                    Data(
                        manifest=", ".join(
                            recipe.data.speech if role != "test" else (*recipe.data.speech, *recipe.data.test_speech)
                        ),
                        hours=round(sum(one.clip.duration for one in part) / 3600, 4),
                        clips=len(part),
                        licence=recipe.licence,
                        role=role,
                    )
                    for role, part in (
                        ("train", prepared.train),
                        ("validation", prepared.validation),
                        ("test", prepared.test),
                    )
                    if part
                ],
                seed=recipe.loop.seed,
                recipe=recipe.model_dump(mode="json"),
                figures=dict(figures),
                languages=["en", "fr"],
            ),
            self_test=self_test(net, recipe, prepared),
            replace=replace,
        )


@torch.inference_mode()
def self_test(net: VoicingNet, recipe: VadRecipe, prepared: Prepared) -> VectorTest:
    """A mixture, and what the net in training says to each of its windows."""
    mixer = Mixer(prepared.validation or prepared.train, prepared.noises, prepared.rooms, recipe.mix, recipe.data.seed)
    audio = mixer(0, _SELF_TEST_S).audio
    frames = torch.from_numpy(seen(spans(audio), net.settings.bands))[None]
    return VectorTest(audio=audio, output=net(frames, net.initial(1))[0][0].numpy())
