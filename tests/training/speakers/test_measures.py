"""Error rates of scores, against figures that can be worked out by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from training.speakers.measures import (
    Trials,
    bounds,
    detection_cost,
    equal_error,
    errors_at,
    pairs,
    rates,
    threshold_at,
)


def trials(targets, others) -> Trials:
    """Targets are speaker 0 with himself; the others are 0 with 1."""
    scores = np.array([*targets, *others], float)
    second = np.array([0] * len(targets) + [1] * len(others))
    return Trials(scores, np.zeros(len(scores), int), second)


def test_what_is_told_apart_has_no_error():
    found = rates(trials([0.8, 0.9], [0.1, 0.2, 0.3]))
    rate, threshold = equal_error(found)
    assert rate == 0
    assert 0.3 < threshold <= 0.8
    assert detection_cost(found, 0.01) == 0


def test_one_of_four_on_each_side():
    found = rates(trials([0.9, 0.8, 0.7, 0.2], [0.75, 0.3, 0.1, 0.0]))
    assert equal_error(found)[0] == pytest.approx(0.25)


def test_scores_that_say_nothing():
    found = rates(trials([0.5] * 3, [0.5] * 5))  # all equal: accepted together
    assert equal_error(found)[0] == pytest.approx(0.5)
    assert detection_cost(found, 0.01) == pytest.approx(1.0)


def test_the_cost_weighs_false_accepts_by_how_rare_targets_are():
    # Of 100 others one scores above half of the targets.
    found = rates(trials([0.9, 0.4], [0.5, *[0.0] * 99]))
    assert detection_cost(found, 0.5) == pytest.approx(0.01)
    # Accepting the one costs 0.99 x 0.01 of 0.01 possible; refusing him costs a half of the targets.
    assert detection_cost(found, 0.01) == pytest.approx(0.5)


def test_a_threshold_that_lets_no_more_in():
    found = rates(trials([0.9], np.arange(100) / 100))
    threshold = threshold_at(found, 0.05)
    assert errors_at(trials([0.9], np.arange(100) / 100), threshold)[1] == pytest.approx(0.05)
    assert threshold_at(found, 0.0) > 0.99 or threshold_at(found, 0.0) == np.inf


@given(
    st.lists(st.integers(-20, 20), min_size=1, max_size=30),
    st.lists(st.integers(-20, 20), min_size=1, max_size=30),
)
def test_rates_are_what_accepting_from_each_threshold_on_gives(targets, others):
    given_ = trials(targets, others)
    found = rates(given_)
    assert (found.misses[0], found.false_accepts[0]) == (1, 0)
    assert (found.misses[-1], found.false_accepts[-1]) == (pytest.approx(0), pytest.approx(1))
    for threshold, miss, false in zip(found.thresholds, found.misses, found.false_accepts, strict=True):
        assert (miss, false) == pytest.approx(errors_at(given_, threshold))
    assert 0 <= equal_error(found)[0] <= 1


def test_trials_may_weigh_more():
    given_ = trials([0.9, 0.2], [0.5])
    assert errors_at(given_, 0.5)[0] == 0.5
    found = rates(given_, np.array([1.0, 3.0, 1.0]))
    assert found.misses[found.thresholds == 0.5] == pytest.approx(0.75)


def test_bounds_hold_the_rate_and_narrow_with_more_people():
    rng = np.random.default_rng(0)

    def people(count):
        voices = rng.standard_normal((count, 16))
        heard = np.repeat(voices, 4, axis=0) + 0.9 * rng.standard_normal((4 * count, 16))
        heard /= np.linalg.norm(heard, axis=1, keepdims=True)
        return pairs(heard, heard, np.repeat(np.arange(count), 4))

    few, many = people(8), people(60)
    figure = lambda found: equal_error(found)[0]  # noqa: E731
    wide, narrow = bounds(few, figure), bounds(many, figure)
    assert narrow[0] < figure(rates(many)) < narrow[1]
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_of_four_people_there_are_no_bounds():
    assert bounds(trials([0.9], [0.1]), lambda found: 0.0) is None


def test_pairs_are_each_two_utterances_once():
    voices = np.eye(3, dtype=np.float32)
    found = pairs(voices, voices, [5, 5, 7])
    assert found.targets.tolist() == [True, False, False]
    assert found.scores.tolist() == [0, 0, 0]
