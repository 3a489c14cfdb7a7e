"""How loud the caller is, so that a voice from behind him is told from his."""

import numpy as np
from numpy.typing import NDArray

_NEW = 0.02  # weight of a window: the last one or two seconds of speech count
_FEWEST = 30  # windows, about a second of speech, before anything is said of it


class Loudness:
    """The mean level of the caller's speech, by windows in which he surely spoke while the agent was silent. Levels are decibels of full scale."""

    def __init__(self) -> None:
        self._windows = 0
        self._mean = 0.0

    def heard(self, loudness: float) -> None:
        """A window of his speech."""
        self._windows += 1
        self._mean += max(_NEW, 1 / self._windows) * (loudness - self._mean)

    def below(self, loudness: float) -> float:
        """By how many decibels a window lies under him; 0 while it is not known how loud he is."""
        return max(0.0, self._mean - loudness) if self._windows >= _FEWEST else 0.0


def level(audio: NDArray[np.float32]) -> float:
    """Of a window (n,): -100 and more."""
    return 10 * float(np.log10(np.dot(audio, audio) / len(audio) + 1e-10))
