"""What the bench of known callers counts, by voices that are known."""

import numpy as np
import pytest

from pipelines.speakers.enrolment import Person
from tests.load.known_callers import counts


def voice(*numbers: float) -> np.ndarray:
    row = np.array(numbers, np.float32)
    return row / np.linalg.norm(row)


def person(name: str, *numbers: float) -> Person:
    return Person(name=name, encoder="m", direction=tuple(voice(*numbers).tolist()), calls=1, seconds=5.0)


PEOPLE = {"ann": person("ann", 1, 0, 0), "bob": person("bob", 0, 1, 0), "eve": person("eve", 0, 0, 1)}


def test_known_late_and_taken_for_another():
    calls = [
        ("ann", [voice(1, 1, 0), voice(1, 0.1, 0)]),  # known at the second look
        ("bob", [voice(0, 0.2, 1)]),  # taken for eve, never known
        ("eve", []),  # said too little
    ]
    first, second = (counts(PEOPLE, calls, looks, 0.9) for looks in (1, 2))
    assert (first["known"], first["callers"], first["mistaken"], first["pairs"]) == (0, 3, 1, 6)
    assert (second["known"], second["mistaken"]) == (1, 1)
    assert second["known_low"] == 0.0 < 100 / 3 < second["known_high"] <= 100


def test_a_lower_bar_knows_more_and_mistakes_more():
    calls = [("ann", [voice(1, 1, 0)])]
    found = counts(PEOPLE, calls, 1, 0.7)
    assert (found["known"], found["mistaken"]) == (1, 1)
    assert found["mistaken_high"] == pytest.approx(50)
