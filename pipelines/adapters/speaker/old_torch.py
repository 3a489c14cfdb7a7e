"""Weights saved by torch before 1.6, read as data: no torch, and nothing of what a pickle can run.

Such a file is a magic number, a version and a description of the machine, then the pickled dictionary, in which tensors are views of
numbered storages, then the storages' numbers, then their bytes.
"""

import pickle
import struct
from collections import OrderedDict
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

_MAGIC = 0x1950A86A20F9469CFC6C


class _Storage(NamedTuple):
    key: str
    elements: int


class _View(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Reader(pickle.Unpickler):
    """Knows three names, and makes values of them that can do nothing."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, shape, stride, *_: _View(storage, offset, shape, stride)
        if (module, name) == ("torch", "FloatStorage"):
            return "float32"
        raise pickle.UnpicklingError(f"{module}.{name} is no name of weights")

    def persistent_load(self, place: Any) -> _Storage:
        what, kind, key, _, elements, *_ = place
        if what != "storage" or kind != "float32":
            raise pickle.UnpicklingError(f"{kind} is no storage of weights")
        return _Storage(key, elements)


def read(path: Path, part: str) -> dict[str, NDArray[np.float32]]:
    """The tensors of the dictionary called `part`, by name. Raises OSError, and ValueError for anything but such a file."""
    with path.open("rb") as stream:
        try:
            if _Reader(stream).load() != _MAGIC:
                raise ValueError("no file of old torch weights")
            _Reader(stream).load(), _Reader(stream).load()
            held = _Reader(stream).load()
            keys = _Reader(stream).load()
            storages = {}
            for key in keys:
                (elements,) = struct.unpack("<q", stream.read(8))
                storages[key] = np.frombuffer(stream.read(4 * elements), "<f4")
            return {name: _array(view, storages) for name, view in held[part].items()}
        except (
            pickle.UnpicklingError,
            EOFError,
            KeyError,
            TypeError,
            AttributeError,
            struct.error,
            IndexError,
        ) as error:
            raise ValueError(f"no file of old torch weights: {error}") from error


def _array(view: _View, storages: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
    flat = storages[view.storage.key][view.offset :]
    count = int(np.prod(view.shape))
    if view.stride != tuple(int(np.prod(view.shape[i + 1 :])) for i in range(len(view.shape))) or len(flat) < count:
        raise ValueError("a tensor that does not lie in one piece")
    return flat[:count].reshape(view.shape)
