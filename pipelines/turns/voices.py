"""Whose words they are: the caller's, who spoke first, or those of somebody else in the room.

The first three seconds of speech are taken for the caller's. Of what comes after, a voice that is surely his teaches what he sounds like, one that
is surely another's is left out, and one between is given to him: a word too many is mended in the talk, a caller who is not heard hangs up.
"""

import numpy as np
from numpy.typing import NDArray

from pipelines.events import VoiceHeard
from pipelines.speakers.enrolment import unit
from pipelines.turns.policy import CallSettings

_ENROLLED_S = 3.0


class Voices:
    """The voices of one call."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._caller: NDArray[np.float32] | None = None  # a sum of voices, each as often as it lasted seconds
        self._seconds = 0.0

    def another(self, event: VoiceHeard, seconds: float) -> bool:
        """Whether somebody else than the caller said that stretch of speech, which lasted so long."""
        voice = unit(np.frombuffer(event.voice, "<f2").astype(np.float32))
        enrolled = self._caller is not None and self._seconds >= _ENROLLED_S
        score = float(unit(self._caller) @ voice) if enrolled else 1.0
        if score >= self._settings.voice_same:
            self._caller = seconds * voice if self._caller is None else self._caller + seconds * voice
            self._seconds += seconds
        return score < self._settings.voice_other
