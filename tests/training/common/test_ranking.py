import numpy as np
import pytest

from training.common.ranking import area, area_interval, curve, difference_interval


def test_the_area_is_how_often_a_pair_is_in_order():
    assert area(np.array([0.9, 0.8]), np.array([0.1, 0.2])) == 1.0
    assert area(np.array([0.5]), np.array([0.5])) == 0.5
    assert area(np.array([0.9, 0.1]), np.array([0.5])) == 0.5
    assert np.isnan(area(np.array([]), np.array([0.5])))


def test_the_curve_begins_with_the_highest_score():
    false, true = curve(np.array([0.9, 0.4]), np.array([0.6, 0.1]))
    assert list(false) == [0.0, 0.5, 0.5, 1.0]
    assert list(true) == [0.5, 0.5, 1.0, 1.0]


def groups(apart, rng):
    return [(rng.normal(apart, 1, 30), rng.normal(0, 1, 30)) for _ in range(40)]


def test_bounds_hold_the_area_and_tell_a_better_score_from_a_worse():
    good, bad = groups(1.5, np.random.default_rng(0)), groups(0.5, np.random.default_rng(1))
    whole = area(*(np.concatenate(part) for part in zip(*good, strict=True)))
    low, high = area_interval(good, draws=200)
    assert low < whole < high < low + 0.1
    low, high = difference_interval([good], [bad], draws=200)
    assert 0.1 < low < high < 0.4
    low, high = difference_interval([good], [good], draws=20)
    assert low == high == 0


def test_of_several_trainings_the_mean_is_held():
    rng = np.random.default_rng(0)
    good, bad = groups(1.5, rng), groups(0.5, rng)
    bounds = [area_interval(one, draws=200) for one in (good, bad)]
    low, high = area_interval(good, bad, draws=200)
    assert bounds[1][1] < low < high < bounds[0][0]
    low, high = difference_interval([good, bad], [bad], draws=200)
    assert 0.05 < low < high < 0.2  # half of what the two are apart


def test_scores_of_other_recordings_are_not_compared():
    with pytest.raises(ValueError, match="cannot be compared"):
        difference_interval([groups(1, np.random.default_rng(0))], [[]])
