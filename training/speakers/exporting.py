"""A trained net becomes an ONNX file, and a folder that the server verifies."""

from pathlib import Path

import torch

from pipelines.nets.ecapa import Ecapa
from pipelines.speakers.frames import SIZE


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
