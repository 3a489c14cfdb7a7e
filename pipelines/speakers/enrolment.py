"""A person whose voice is known: from a few seconds, better from several calls. And whether a voice is his.

A voice is a direction. What is kept is the sum of the directions of each call's pieces, longer calls counting more up to a limit, so
one long call on a bad line does not drown the others. A score is a cosine; the threshold is the encoder's, for the condition at hand.
It tells who it probably is. Recordings and imitations pass, and one stranger in a hundred does at the usual threshold: never let it
alone open what is sensitive.
"""

from collections.abc import Iterable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ModelError
from pipelines.models.ports import Audio, SpeakerEncoder
from pipelines.units import SAMPLE_RATE

Voice = NDArray[np.float32]

LEAST_S = 3.0
"""Seconds of speech that an enrolment needs."""

_PIECE = 3 * SAMPLE_RATE
_CALL_S = 20.0  # what a call counts for at most


class Person(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is kept of a person's voice; JSON by msgspec. It is personal data: a voice can be recognised by it.

    `name`: whoever asks is told it. `encoder`: name of the model that made it; another model's voices cannot be compared.
    `direction`: the sum over calls. `calls`, `seconds`: of speech it was made from."""

    name: str
    encoder: str
    direction: tuple[float, ...]
    calls: int
    seconds: float

    @property
    def voice(self) -> Voice:
        """(size,), length 1."""
        return unit(np.array(self.direction, np.float32))


class Verdict(msgspec.Struct, frozen=True):
    """Whether a voice is that of a known person. `score`: cosine, -1 to 1; `known`: it reaches `threshold`."""

    name: str
    score: float
    threshold: float

    @property
    def known(self) -> bool:
        return self.score >= self.threshold


def enrol(name: str, encoder: SpeakerEncoder, speech: Audio, *, model: str) -> Person:
    """A person from one call's speech: float32 mono 16 kHz, (n,), the pauses cut out, he alone. `model`: the encoder's name. Raises
    ModelError for less than `LEAST_S`."""
    seconds = speech.size / SAMPLE_RATE
    if seconds < LEAST_S:
        raise ModelError(f"{name}: {seconds:.1f} s of speech are too few to know a voice by; {LEAST_S:g} s are needed.")
    direction = min(seconds, _CALL_S) * mean(encoder.embed(piece) for piece in pieces(speech))
    return Person(name=name, encoder=model, direction=tuple(direction.tolist()), calls=1, seconds=seconds)


def joined(one: Person, other: Person) -> Person:
    """The same person from the calls of both. Raises ModelError when they are not of one name and encoder."""
    if (one.name, one.encoder) != (other.name, other.encoder):
        raise ModelError(
            f"{one.name} by {one.encoder} and {other.name} by {other.encoder} cannot be joined: enrol {one.name} again."
        )
    direction = np.array(one.direction) + np.array(other.direction)
    return msgspec.structs.replace(
        one,
        direction=tuple(direction.tolist()),
        calls=one.calls + other.calls,
        seconds=one.seconds + other.seconds,
    )


def verify(person: Person, voice: Voice, threshold: float) -> Verdict:
    """`voice`: by the same encoder, length 1."""
    return Verdict(person.name, float(person.voice @ voice), threshold)


def identify(people: Iterable[Person], voice: Voice, threshold: float) -> Verdict | None:
    """The nearest of `people`, known or not; None when there are none."""
    return max((verify(person, voice, threshold) for person in people), key=lambda v: v.score, default=None)


def pieces(speech: Audio) -> list[Audio]:
    """Equal pieces of about three seconds; speech shorter than that is one."""
    return np.array_split(speech, max(1, round(speech.size / _PIECE)))


def mean(voices: Iterable[Voice] | Sequence[Voice]) -> Voice:
    """The direction between `voices`, length 1."""
    return unit(np.sum(list(voices), axis=0))


def unit(vector: NDArray[np.float32]) -> Voice:
    """`vector` made 1 long; 0 stays 0."""
    return (vector / max(float(np.linalg.norm(vector)), 1e-9)).astype(np.float32)
