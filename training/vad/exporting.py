"""A trained net becomes the file that the server's adapter runs, and is heard through that adapter once before it is left there."""

import warnings
from pathlib import Path

import numpy as np
import torch

from pipelines.adapters.vad.gru import FILE, GruVad
from pipelines.audio.windows import WINDOW, seen, spans
from pipelines.errors import ModelError
from pipelines.nets.voicing import VoicingNet
from training.vad.labels import probabilities


def write_onnx(net: VoicingNet, folder: Path) -> Path:
    """`folder / voicing.onnx`. Raises ModelError if it does not answer as the net does."""
    net.eval()
    path, size = folder / FILE, net.settings.size
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
    clip = np.random.default_rng(0).normal(0, 0.05, 40 * WINDOW).astype(np.float32)
    with torch.inference_mode():
        expected = net(torch.from_numpy(seen(spans(clip), net.settings.bands))[None], net.initial(1))[0][0].numpy()
    apart = float(np.abs(probabilities(GruVad(folder), [clip])[0] - expected).max())
    if not apart < 1e-3:
        raise ModelError(f"{path} answers otherwise than the net that was trained, by up to {apart:.3g}. Export it again.")
    return path
