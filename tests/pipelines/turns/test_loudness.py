"""Who is far quieter than the caller is not the caller; before it is known how loud he is, anybody may be."""

import numpy as np
import pytest

from pipelines.turns.loudness import Loudness, level


def caller(decibels: float, windows: int) -> Loudness:
    loudness = Loudness()
    for _ in range(windows):
        loudness.heard(decibels)
    return loudness


def test_a_level_is_that_of_the_window() -> None:
    assert level(np.full(512, 0.1, np.float32)) == pytest.approx(-20, abs=0.01)
    assert level(np.zeros(512, np.float32)) <= -100


def test_somebody_quieter_lies_below_him_and_somebody_louder_does_not() -> None:
    assert caller(-20, 100).below(-34) == pytest.approx(14)
    assert caller(-20, 100).below(-10) == 0


def test_a_word_or_two_do_not_tell_how_loud_he_is() -> None:
    assert caller(-20, 10).below(-60) == 0


def test_a_caller_who_puts_the_phone_down_is_followed() -> None:
    loudness = caller(-20, 100)
    for _ in range(200):
        loudness.heard(-35)
    assert loudness.below(-35) < 1
