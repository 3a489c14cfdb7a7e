"""A denoiser that leaves a share of what came in: a floor under what it takes away.

Recognisers were trained on noise and not on holes: a denoiser that errs costs words, and a floor gives them back. It is the
noisy input, as late as the cleaned one, added to it.
"""

from typing import Any

import numpy as np

from pipelines.models.ports import Audio, Denoiser


class Keeping:
    """`denoiser` with a floor. One instance serves all calls, from one thread at a time."""

    def __init__(self, denoiser: Denoiser, keep_db: float) -> None:
        """`keep_db`: share of the input that stays, below 0 dB; -12 leaves a quarter of its amplitude."""
        self._denoiser = denoiser
        self._share = np.float32(10 ** (keep_db / 20))
        self.delay = denoiser.delay

    def initial_state(self) -> Any:
        return np.zeros(self.delay, np.float32), self._denoiser.initial_state()

    def denoise(self, audio: Audio, state: Any) -> tuple[Audio, Any]:
        """As many samples as `audio`, `delay` late. Raises ModelError."""
        waiting, own = state
        cleaned, own = self._denoiser.denoise(audio, own)
        line = np.concatenate((waiting, audio))
        kept = self._share * line[: audio.size] + (1 - self._share) * cleaned
        return kept, (line[audio.size :], own)
