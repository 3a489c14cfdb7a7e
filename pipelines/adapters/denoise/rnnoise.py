"""RNNoise by the library in the package `pyrnnoise` (Apache-2.0; RNNoise itself BSD-3-Clause), at 48 kHz in frames of 10 ms.

Source: Valin, "A Hybrid DSP/Deep Learning Approach to Real-Time Full-Band Speech Enhancement", MMSP 2018,
https://github.com/xiph/rnnoise. Only the compiled library is used: the package's Python brings a media framework and
matplotlib, and changes its state in place. A call's state here is the bytes of RNNoise's own, so that it can be used again.
"""

import ctypes
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from pipelines.adapters.denoise.wide import FRAME, Wide
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

PACKAGE = "pyrnnoise==0.4.5"
_NAMES = ("librnnoise.so", "librnnoise.dylib", "rnnoise.dll")
_LAG = 2 * FRAME  # a frame is put together with the one before it, and the net hears one ahead


class RnNoise(Wide):
    """One instance serves all calls, from one thread at a time."""

    def __init__(self) -> None:
        """Raises ModelError when the package is not installed."""
        super().__init__(_LAG)
        self._library = _load()
        self._size = self._library.rnnoise_get_size()
        made = self._library.rnnoise_create(None)
        self._begun = ctypes.string_at(made, self._size)
        self._library.rnnoise_destroy(made)
        self._place = ctypes.create_string_buffer(self._size)

    def begun(self) -> bytes:
        return self._begun

    def frame(self, samples: Audio, own: bytes) -> tuple[Audio, bytes]:
        ctypes.memmove(self._place, own, self._size)
        scaled = np.ascontiguousarray(samples * np.float32(32_768))  # RNNoise counts as int16 does
        pointer = scaled.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        self._library.rnnoise_process_frame(self._place, pointer, pointer)
        return scaled / np.float32(32_768), self._place.raw


def _load() -> ctypes.CDLL:
    found = find_spec("pyrnnoise")
    folders = list(found.submodule_search_locations or ()) if found else []
    for path in (Path(folder, name) for folder in folders for name in _NAMES):
        if path.is_file():
            try:
                library = ctypes.CDLL(str(path))
            except OSError as error:
                raise ModelError(f"RNNoise's library {path} cannot be loaded: {error}.") from error
            break
    else:
        raise ModelError(f"RNNoise is not installed. Run: pip install --no-deps {PACKAGE}")
    library.rnnoise_create.restype = ctypes.c_void_p
    library.rnnoise_create.argtypes = [ctypes.c_void_p]
    library.rnnoise_destroy.argtypes = [ctypes.c_void_p]
    library.rnnoise_process_frame.restype = ctypes.c_float
    library.rnnoise_process_frame.argtypes = [ctypes.c_void_p, *[ctypes.POINTER(ctypes.c_float)] * 2]
    return library
