"""Whose words they are: the caller's, who spoke first, or those of somebody else in the room. And who the caller is, if his voice is known.

The first three seconds of speech are taken for the caller's. Of what comes after, a voice that is surely his teaches what he sounds like, one that
is surely another's is left out, and one between is given to him: a word too many is mended in the talk, a caller who is not heard hangs up.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from pipelines.actions import Action, Identify, Notice, Observed, Turn, TurnTaken
from pipelines.events import CallerKnown, VoiceHeard
from pipelines.speakers.enrolment import unit
from pipelines.turns.hearing import Hearing
from pipelines.turns.policy import CallSettings
from pipelines.units import to_seconds

_ENROLLED_S = 3.0
_LOOKS_S = (
    3.0,
    6.0,
    12.0,
)  # seconds of the caller after which he is looked for among the known: each time his voice is surer
_MOST = 8  # others that are told apart

_Sum = NDArray[np.float32]  # of voices, each as often as it lasted seconds


class Voices:
    """The voices of one call."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._caller: _Sum | None = None
        self._seconds = 0.0
        self._others: list[_Sum] = []
        self._looks = 0
        self.name = ""
        """Of the enrolled person whose voice the caller's is like, once that is known."""

    def heard(self, event: VoiceHeard, seconds: float) -> str:
        """Who said that stretch of speech, which lasted so long: "" the caller, "other 1", "other 2" ... somebody else."""
        voice = unit(np.frombuffer(event.voice, "<f2").astype(np.float32))
        enrolled = self._caller is not None and self._seconds >= _ENROLLED_S
        score = float(unit(self._caller) @ voice) if enrolled else 1.0
        if score >= self._settings.voice_same:
            self._caller = seconds * voice if self._caller is None else self._caller + seconds * voice
            self._seconds += seconds
        if score < self._settings.voice_other:
            return f"other {self._other(seconds * voice) + 1}"
        return ""

    def _other(self, voice: _Sum) -> int:
        """Which of the others it is."""
        scores = [float(unit(other) @ unit(voice)) for other in self._others]
        nearest = int(np.argmax(scores)) if scores else -1
        if nearest < 0 or (scores[nearest] < self._settings.voice_other and len(scores) < _MOST):
            self._others.append(voice)
            return len(self._others) - 1
        self._others[nearest] = self._others[nearest] + voice
        return nearest

    def look(self) -> list[Action]:
        """Ask who the caller is, if it is time to."""
        due = sum(self._seconds >= seconds for seconds in _LOOKS_S)
        if not self._settings.identify or self.name or due <= self._looks or self._caller is None:
            return []
        self._looks = due
        return [Identify(unit(self._caller).astype("<f2").tobytes())]

    def known(self, event: CallerKnown) -> list[Action]:
        """He was found. The agent is told, once."""
        if self.name:
            return []
        self.name = event.name
        return [Observed("known_caller"), Notice("known_caller", event.name, event.score, event.threshold)]


def overheard(hearing: Hearing, said_at: Callable[[int], int]) -> list[Action]:
    """What others said in the turn that is taken now, for the transcript: nobody answers it, and the agent does not remember it. `said_at`: the
    call time of a media sample."""
    return [
        TurnTaken(
            Turn(
                "other",
                words,
                words,
                to_seconds(max(said_at(first), 0)),
                to_seconds(max(said_at(last), 0)),
                language=hearing.language,
                speaker=speaker,
            )
        )
        for first, last, speaker, words in hearing.overheard
    ]
