"""What a Whisper's encoder makes of a clip, as the input of a small net that was taught by few people: Whisper has heard everybody."""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_HOP = 320  # samples from one state to the next


class States(msgspec.Struct, frozen=True):
    """Stands where `pipelines.audio.features.Features` does: call it with audio (float32, mono, 16 kHz, shape (n,)) to get float32 (frames, size)."""

    encoder: Callable[[Floats], Floats] | None = None
    """audio (n,) -> states (frames, 512); None where nothing is to be heard, but only built or counted."""
    kind: str = "states"
    size: int = 512

    def frames(self, samples: int) -> int:
        """States made from `samples`."""
        return -(-samples // _HOP)

    def __call__(self, audio: Floats) -> Floats:
        assert self.encoder is not None, "a net that hears through an encoder is given one by `CtcNet.hear_through`"
        return self.encoder(audio)
