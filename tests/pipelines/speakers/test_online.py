"""Voices told apart as they come."""

import numpy as np
import pytest

from pipelines.speakers.enrolment import unit
from pipelines.speakers.online import Speakers, Thresholds

THRESHOLDS = Thresholds(same=0.8, other=0.5)


def voice(degrees: float):
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def labels(speakers: Speakers, *degrees: float) -> list[int]:
    return [speakers.heard(voice(d), 1.0)[0] for d in degrees]


def test_somebody_new_counts_when_heard_twice_in_a_row():
    assert labels(Speakers(THRESHOLDS), 0, 5, 90, 92, 0, 91) == [0, 0, 0, 1, 0, 1]


def test_one_odd_window_is_nobody():
    speakers = Speakers(THRESHOLDS)
    assert labels(speakers, 0, 90, 0, 90, 0) == [0, 0, 0, 0, 0]
    assert len(speakers) == 1


def test_two_strangers_who_are_not_alike_are_not_one():
    # 90 and 180 degrees are both far from 0, and from each other.
    assert labels(Speakers(THRESHOLDS), 0, 90, 180, 182) == [0, 0, 0, 1]


def test_between_the_thresholds_a_voice_is_the_nearest_one_s_and_teaches_nothing():
    speakers = Speakers(THRESHOLDS)
    labels(speakers, 0)
    assert labels(speakers, *[50] * 20) == [0] * 20  # cos 50 = 0.64
    assert speakers.heard(voice(0), 1.0) == (0, pytest.approx(1.0))


def test_what_is_sure_teaches():
    speakers = Speakers(THRESHOLDS)
    labels(speakers, 0, *[30] * 50)
    assert speakers.heard(voice(30), 1.0)[1] > 0.99


def test_an_enrolled_caller_is_the_first_speaker_before_anyone_speaks():
    speakers = Speakers(THRESHOLDS, known=voice(90))
    assert labels(speakers, 0, 2, 88) == [0, 1, 0]


def test_there_are_no_more_speakers_than_asked_for():
    speakers = Speakers(Thresholds(same=0.9, other=0.8, most=2))
    labels(speakers, 0, 90, 90, 180, 180, 270, 270)
    assert len(speakers) == 2


def test_thresholds_the_wrong_way_round_are_refused():
    with pytest.raises(ValueError, match=r"other = 0\.9 must not be above same = 0\.5"):
        Thresholds(same=0.5, other=0.9)


def test_the_same_voices_are_the_same_speakers():
    rng = np.random.default_rng(3)
    heard = [unit(v) for v in rng.standard_normal((40, 8)).astype(np.float32)]

    def run():
        speakers = Speakers(Thresholds(same=0.3, other=0.1))
        return [speakers.heard(v, 1.0) for v in heard]

    assert run() == run()
