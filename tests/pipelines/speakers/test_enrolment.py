"""Persons: enrolled, joined over calls, known again or not."""

import msgspec
import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.speakers.enrolment import LEAST_S, Person, enrol, identify, joined, pieces, unit, verify
from pipelines.units import SAMPLE_RATE


class Loudness:
    """An encoder of two numbers: how much of the sound is above 0, and below."""

    size = 2

    def embed(self, audio):
        return unit(np.array([np.clip(audio, 0, None).sum(), -np.clip(audio, None, 0).sum()], np.float32))


def sound(value: float, seconds: float):
    return np.full(round(seconds * SAMPLE_RATE), value, np.float32)


def person(name="anne", value=0.1, seconds=6.0, model="toy") -> Person:
    return enrol(name, Loudness(), sound(value, seconds), model=model)


def test_whoever_was_enrolled_is_known_and_another_is_not():
    anne = person()
    assert (anne.calls, anne.seconds) == (1, 6.0)
    same, other = (verify(anne, Loudness().embed(sound(value, 2)), 0.5) for value in (0.3, -0.3))
    assert same.known
    assert same.score == pytest.approx(1.0)
    assert not other.known
    assert other.score == pytest.approx(0.0)


def test_a_score_at_the_threshold_is_known():
    anne = person()
    score = verify(anne, unit(np.array([1.0, 1.0], np.float32)), 0.0).score
    assert verify(anne, unit(np.array([1.0, 1.0], np.float32)), score).known


def test_too_few_seconds_are_refused_by_name():
    with pytest.raises(ModelError, match=r"anne: 2\.9 s of speech are too few"):
        person(seconds=LEAST_S - 0.1)


def test_calls_are_averaged_by_their_length_but_none_drowns_the_others():
    short, long = person(value=0.1, seconds=10), person(value=-0.1, seconds=600)
    both = joined(short, long)
    assert (both.calls, both.seconds) == (2, 610)
    # 10 s of the one and 20 s, the most a call counts for, of the other.
    assert both.voice == pytest.approx(unit(np.array([10.0, 20.0], np.float32)), abs=1e-6)
    assert joined(long, short).voice == pytest.approx(both.voice)


@pytest.mark.parametrize("other", [person(name="bob"), person(model="another")])
def test_other_persons_and_other_encoders_cannot_be_joined(other):
    with pytest.raises(ModelError, match="enrol anne again"):
        joined(person(), other)


def test_a_person_survives_being_written_down():
    anne = joined(person(), person(value=-0.2))
    assert msgspec.json.decode(msgspec.json.encode(anne), type=Person) == anne


def test_the_nearest_person_is_named_even_if_unknown():
    people = [person("anne", 0.1), person("bob", -0.1)]
    voice = unit(np.array([1.0, 2.0], np.float32))
    nearest = identify(people, voice, 0.95)
    assert nearest.name == "bob"
    assert not nearest.known
    assert identify([], voice, 0.5) is None


def test_pieces_hold_all_of_the_speech():
    speech = np.arange(10 * SAMPLE_RATE, dtype=np.float32)
    cut = pieces(speech)
    assert len(cut) == 3
    assert np.array_equal(np.concatenate(cut), speech)
    assert len(pieces(speech[:100])) == 1
