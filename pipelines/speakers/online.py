"""Voices told apart as they come. Each new voice is one of those heard before, or a new one's; what was said is never changed.

Two thresholds: from `same` on a voice is a known one and teaches what it sounds like; below `other` it is somebody new; between them it
is given to the nearest and teaches nothing. Someone new must be heard twice in a row, by voices alike, before he counts: a cough, or two
people at once, is nobody. Until then the nearest has it.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.speakers.enrolment import Voice, unit


class Thresholds(msgspec.Struct, frozen=True, kw_only=True):
    """Cosines, and how many speakers there may be."""

    same: float
    other: float
    most: int = 8

    def __post_init__(self) -> None:
        if not self.other <= self.same:
            raise ValueError(f"other = {self.other} must not be above same = {self.same}.")


class Speakers:
    """Deterministic: the same voices in the same order are the same speakers, counted from 0."""

    def __init__(self, thresholds: Thresholds, known: Voice | None = None) -> None:
        """`known`: of an enrolled caller, who is speaker 0 from the start."""
        self._thresholds = thresholds
        self._sums: list[NDArray[np.float32]] = [] if known is None else [10.0 * known]
        self._stranger: Voice | None = None

    def __len__(self) -> int:
        return len(self._sums)

    def heard(self, voice: Voice, seconds: float) -> tuple[int, float]:
        """(whose it is, cosine with what was known of him; 1 for somebody new). `seconds`: how long it was heard."""
        if not self._sums:
            self._sums.append(seconds * voice)
            return 0, 1.0
        scores = [float(unit(total) @ voice) for total in self._sums]
        nearest = int(np.argmax(scores))
        score = scores[nearest]
        if score >= self._thresholds.other or len(self._sums) >= self._thresholds.most:
            self._stranger = None
            if score >= self._thresholds.same:
                self._sums[nearest] = self._sums[nearest] + seconds * voice
            return nearest, score
        if self._stranger is not None and float(self._stranger @ voice) >= self._thresholds.other:
            self._sums.append(seconds * (self._stranger + voice))
            self._stranger = None
            return len(self._sums) - 1, 1.0
        self._stranger = voice
        return nearest, score
