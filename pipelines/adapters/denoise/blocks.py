"""Denoisers work in blocks of a fixed size; calls hand over any number of samples. Here the one becomes the other.

As many samples come out as went in, by one constant delay: a block is held back at the start of the stream, so that there is
always enough to give.
"""

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

from pipelines.models.ports import Audio

State = tuple[Audio, Audio, Any]
"""Samples that are no whole block yet, samples that are cleaned and not given out yet, and what the denoiser remembers."""


class Blocks(ABC):
    """A `pipelines.models.ports.Denoiser` whose `clean` sees whole blocks. A state is never changed: it can be used again."""

    def __init__(self, block: int, lag: int) -> None:
        """`block`: samples at 16 kHz; `lag`: samples by which `clean` is late."""
        self._block = block
        self.delay = block + lag

    @abstractmethod
    def remembered(self) -> Any:
        """What `clean` is given at the start of a call."""

    @abstractmethod
    def clean(self, audio: Audio, remembered: Any) -> tuple[Audio, Any]:
        """One or more whole blocks: as many samples, and what is remembered after them. Raises ModelError."""

    def initial_state(self) -> State:
        return np.zeros(0, np.float32), np.zeros(self._block, np.float32), self.remembered()

    def denoise(self, audio: Audio, state: Any) -> tuple[Audio, State]:
        """`audio`: any number of samples; as many come out, `delay` late. Raises ModelError."""
        waiting, ready, remembered = state
        waiting = np.concatenate((waiting, audio))
        whole = waiting.size // self._block * self._block
        if whole:
            cleaned, remembered = self.clean(waiting[:whole], remembered)
            ready = np.concatenate((ready, cleaned))
        return ready[: audio.size], (waiting[whole:], ready[audio.size :], remembered)
