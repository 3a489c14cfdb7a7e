"""A model that was taught a little, as what is to be added to the one it was taught from: two narrow matrices for each of its wide ones.

    new = old + scale * (up @ down)     up (out, rank), down (rank, in): int8; scale (out,): float32; old, new: float16

The product is one of whole numbers, the rest is one multiplication and one addition in float32 and one rounding: every machine makes the same bytes of it,
so that the result has a sha256 like any other file. Low-rank matrices: Hu et al. 2021.

    changes.npz     TENSOR@ROW.up, TENSOR@ROW.down, TENSOR@ROW.scale: for the rows of TENSOR from ROW on
"""

import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ModelError
from pipelines.models.ctranslate2_file import tensors


class Change(msgspec.Struct, frozen=True):
    """`up` (out, rank) and `down` (rank, in), int8; `scale` (out,), float32."""

    up: NDArray[np.int8]
    down: NDArray[np.int8]
    scale: NDArray[np.float32]

    def added_to(self, weights: NDArray[np.float16]) -> NDArray[np.float16]:
        """(out, in), changed."""
        product = self.up.astype(np.float64) @ self.down.astype(
            np.float64
        )  # whole numbers, far below 2^53: exact in any order
        return (weights.astype(np.float32) + self.scale[:, None] * product.astype(np.float32)).astype(np.float16)


Place = tuple[str, int]
"""A tensor's name and the first of the rows that are meant."""


def read(path: Path) -> dict[Place, Change]:
    """The changes in a file. Raises ModelError."""
    try:
        with np.load(path, allow_pickle=False) as file:
            places = dict.fromkeys(key.rpartition(".")[0] for key in file)
            return {
                (place.rpartition("@")[0], int(place.rpartition("@")[2])): Change(
                    *(file[f"{place}.{part}"] for part in Change.__struct_fields__)
                )
                for place in places
            }
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} holds no changes to a model ({error}).") from error


def write(changes: Mapping[Place, Change], path: Path) -> None:
    """The same bytes for the same changes."""
    arrays = {
        f"{name}@{row}.{part}": getattr(change, part)
        for (name, row), change in changes.items()
        for part in Change.__struct_fields__
    }
    np.savez_compressed(path, **arrays)


def apply(changes: Mapping[Place, Change], base: Path, into: Path) -> None:
    """Write to `into` what the `model.bin` at `base` becomes. Raises ModelError when it is another model than the changes are of, OSError."""
    data = bytearray(base.read_bytes())
    there = {tensor.name: tensor for tensor in tensors(data, base)}
    for (name, row), change in changes.items():
        tensor = there.get(name)
        rows = slice(row, row + len(change.up))
        if tensor is None or tensor.dtype is not np.float16 or len(tensor.shape) != 2:
            raise ModelError(f"{base} has no {name} in float16: these are the changes of another model.")
        weights = tensor.read(data)
        if weights[rows].shape != (len(change.up), change.down.shape[1]):
            raise ModelError(f"{base}: {name} has another size than its changes.")
        weights[rows] = change.added_to(weights[rows])
    into.write_bytes(data)
