"""From probabilities of speech to turns."""

from itertools import pairwise

import numpy as np
import pytest

from pipelines.speakers.diarize import Settings, Turn, heard, offline, online, rttm, settings_of, turns
from pipelines.speakers.enrolment import unit
from pipelines.speakers.speech import spans, windows
from pipelines.units import SAMPLE_RATE


class Sign:
    """Tells sound above 0 from sound below."""

    size = 2
    thresholds = {"clean": 0.5, "same": 0.6, "other": 0.4}  # noqa: RUF012

    def embed(self, audio):
        return unit(np.array([np.clip(audio, 0, None).sum(), -np.clip(audio, None, 0).sum()], np.float32))


def talk(*parts: tuple[float, float]):
    return np.concatenate([np.full(round(seconds * SAMPLE_RATE), value, np.float32) for value, seconds in parts])


def test_speech_begins_at_once_and_ends_after_a_pause():
    p = [0.0] * 10 + [0.9] * 10 + [0.1] * 3 + [0.9] * 5 + [0.0] * 30 + [0.9] * 20
    found = spans(p, 0.1, pause_s=0.5, pad_s=0.0)
    assert found == [(pytest.approx(1.0), pytest.approx(2.8)), (pytest.approx(5.8), pytest.approx(7.8))]


def test_a_click_is_no_speech_and_a_faint_one_does_not_begin():
    assert spans([0, 0.9, 0, 0, 0, 0, 0, 0, 0], 0.1, least_s=0.2) == []
    assert spans([0.4] * 50, 0.1) == []
    assert spans([0.6, *[0.4] * 49], 0.1, pad_s=0.0) == [(0.0, pytest.approx(5.0))]


def test_padding_stays_within_the_recording_and_joins_what_it_meets():
    assert spans([0.9] * 10, 0.1, pad_s=0.3) == [(0.0, pytest.approx(1.0))]
    p = [0.9] * 5 + [0.0] * 6 + [0.9] * 5
    assert len(spans(p, 0.1, pause_s=0.5, pad_s=0.1)) == 2
    assert len(spans(p, 0.1, pause_s=0.5, pad_s=0.3)) == 1


def test_windows_cover_each_stretch_and_nothing_else():
    found = windows([(0.0, 4.0), (10.0, 10.8)], 1.5, 0.5)
    assert found[0] == (0.0, 1.5)
    assert (10.0, 10.8) in found
    assert max(end for _, end in found[:-1]) == pytest.approx(4.0)
    assert all(b[0] - a[0] <= 0.5 + 1e-9 for a, b in pairwise(found[:-1]))


@pytest.mark.parametrize("way", [offline, online])
def test_two_people_in_turn(way):
    sound = talk((0.1, 4), (-0.1, 4), (0.1, 3))
    speech = [(0.0, 11.0)]
    places, voices = heard(sound, Sign(), speech, Settings(same=0.6, other=0.4))
    found = way(places, voices, speech, Settings(same=0.6, other=0.4))
    assert [turn.speaker for turn in found] == [0, 1, 0]
    assert found[0].start == 0.0
    assert found[-1].end == 11.0
    assert [turn.end for turn in found[:2]] == pytest.approx([4.0, 8.0], abs=1.1)  # online needs a second look
    assert all(a.end == b.start for a, b in pairwise(found))


def test_an_enrolled_caller_is_speaker_0_though_another_speaks_first():
    sound = talk((-0.1, 4), (0.1, 4))
    speech = [(0.0, 8.0)]
    how = Settings(same=0.6, other=0.4)
    places, voices = heard(sound, Sign(), speech, how)
    found = online(places, voices, speech, how, known=Sign().embed(talk((0.1, 1))))
    assert found[-1].speaker == 0
    assert {turn.speaker for turn in found} == {0, 1}


def test_a_known_number_of_people():
    sound = talk((0.1, 3), (-0.1, 3))
    speech = [(0.0, 6.0)]
    places, voices = heard(sound, Sign(), speech, Settings())
    assert {turn.speaker for turn in offline(places, voices, speech, Settings(), count=1)} == {0}


def test_no_speech_is_no_turn():
    assert offline([], [], [], Settings()) == []
    assert turns([], [], [(0.0, 1.0)]) == []


def test_an_encoder_brings_its_thresholds():
    how = settings_of(Sign())
    assert (how.same, how.other) == (0.6, 0.4)
    assert settings_of(object()) == Settings()


def test_rttm():
    assert rttm([Turn(0.5, 2.0, 1)], "a call.wav") == (
        "SPEAKER a_call.wav 1 0.500 1.500 <NA> <NA> speaker_1 <NA> <NA>\n"
    )
    assert rttm([], "x") == ""
