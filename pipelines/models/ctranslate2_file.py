"""What lies where in a CTranslate2 `model.bin`. Layout: `ctranslate2/specs/model_spec.py` (`_serialize`)."""

import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ModelError

_DTYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_VERSION = 6
_SPEC = "WhisperSpec"


class Tensor(msgspec.Struct, frozen=True):
    """`start`: its first byte in the file."""

    name: str
    shape: tuple[int, ...]
    dtype: type
    start: int

    def read(self, data: bytes | bytearray | memoryview) -> NDArray:
        """Its values in the bytes of the file, not copied."""
        count = int(np.prod(self.shape))
        return np.frombuffer(data, self.dtype, count, self.start).reshape(self.shape)


def tensors(data: bytes | bytearray | memoryview, path: Path) -> Iterator[Tensor]:
    """What the bytes of a Whisper hold; `path` is for messages. Raises ModelError if it is another kind or version, or cut off."""
    try:
        yield from _tensors(data, path)
    except (struct.error, UnicodeDecodeError) as error:
        raise ModelError(f"{path} is no whole CTranslate2 model ({error}).") from error


def _tensors(data: bytes | bytearray | memoryview, path: Path) -> Iterator[Tensor]:
    at = 0

    def number(form: str) -> int:
        nonlocal at
        [value] = struct.unpack_from(f"<{form}", data, at)
        at += struct.calcsize(form)
        return value

    def text() -> str:
        nonlocal at
        length = number("H")
        at += length
        return bytes(data[at - length : at - 1]).decode()  # the last byte is 0

    version, spec, _revision = number("I"), text(), number("I")
    if version != _VERSION or spec != _SPEC:
        raise ModelError(
            f"{path}: {spec} of version {version} is not a Whisper of version {_VERSION}, which is read here."
        )
    for _ in range(number("I")):
        name = text()
        shape = tuple(number("I") for _ in range(number("B")))
        dtype, size = _DTYPES.get(number("B")), number("I")
        if dtype is None:
            raise ModelError(f"{path}: {name} has numbers of a kind that is not read here.")
        yield Tensor(name, shape, dtype, at)
        at += size
