"""A trained denoiser becomes ONNX files in a folder that the server proves and loads: there, torch is not needed."""

import tempfile
import warnings
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.audio.lapped import BAND
from pipelines.nets import denoise_mask, denoise_waveform
from pipelines.nets.denoise_mask import MaskNet
from pipelines.nets.denoise_waveform import BLOCK, WaveformNet
from training.common.export import Data, VectorTest, export, provenance
from training.denoise.data import Part
from training.denoise.recipe import DenoiseRecipe

FILE = "denoise.onnx"
KINDS = {"mask": "spectral-mask", "waveform": "waveform"}


def to_onnx(net: MaskNet | WaveformNet, path: Path) -> None:
    """The net as an ONNX file, of any number of frames or blocks at once, with its state going in and out."""
    if isinstance(net, MaskNet):
        wrapped, first = denoise_mask.Exported(net), torch.rand(1, 3, BAND)
        state = [net.initial_state()]
        names, axis = (["power"], ["gains"]), "frames"
    else:
        wrapped, first = denoise_waveform.Exported(net), torch.rand(1, 3 * BLOCK)
        state = net.initial_state()
        names, axis = (["audio"], ["clean"]), "samples"
    before = [f"state_{i}" for i in range(len(state))]
    after = [f"after_{i}" for i in range(len(state))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of recurrent nets and batches: ours is always one call
        torch.onnx.export(
            wrapped.eval(),
            (first, *state),
            str(path),
            input_names=names[0] + before,
            output_names=names[1] + after,
            dynamic_axes={names[0][0]: {1: axis}, names[1][0]: {1: axis}},
            opset_version=17,
            dynamo=False,
        )


def export_net(
    net: MaskNet | WaveformNet,
    recipe: DenoiseRecipe,
    read: Mapping[str, Part],
    figures: Mapping[str, float],
    clip: NDArray[np.float32],
    folder: Path,
    *,
    replace: bool = False,
) -> Path:
    """Write `folder`, whole or not at all. `clip`: what the self-test lets it hear. Raises ModelError."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch, FILE)
        to_onnx(net, file)
        return export(
            folder,
            name=folder.name,
            port="denoise",
            kind=KINDS[recipe.net.kind],
            licence=recipe.licence,
            note=recipe.note,
            weights={FILE: file},
            provenance=provenance(
                data=[
                    Data(
                        manifest=", ".join(recipe.data.speech),
                        hours=round(part.minutes / 60, 4),
                        clips=len(part.speech),
                        licence=recipe.licence,
                        role=role,
                    )
                    for role, part in read.items()
                ],
                seed=recipe.loop.seed,
                recipe=recipe.model_dump(mode="json"),
                figures=dict(figures),
                languages=["en", "fr"],
            ),
            self_test=VectorTest(audio=clip, output=expected(net, clip)),
            replace=replace,
        )


@torch.inference_mode()
def expected(net: MaskNet | WaveformNet, clip: NDArray[np.float32]) -> NDArray[np.float32]:
    """What the adapter must answer to `clip`: the net's own output, and the adapter's 20 ms in all."""
    clean = net.eval()(torch.from_numpy(clip)[None])[0].numpy()
    return np.concatenate((np.zeros(320 - net.delay, np.float32), clean))[: len(clip)]
