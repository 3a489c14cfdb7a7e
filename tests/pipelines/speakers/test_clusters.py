"""Voices grouped when all are there."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.speakers.clusters import clusters
from pipelines.speakers.enrolment import unit


def voice(degrees: float):
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def of(*degrees: float, **settings):
    settings.setdefault("same", 0.7)
    return clusters([voice(d) for d in degrees], [1.0] * len(degrees), **settings)


def test_speakers_are_counted_in_the_order_they_are_heard():
    assert of(90, 0, 92, 3, 180, 91) == [0, 1, 0, 1, 2, 0]


def test_nothing_is_nobody_and_one_voice_is_one():
    assert of() == []
    assert of(10) == [0]


def test_a_known_count_decides_alone():
    assert len(set(of(0, 1, 90, 91, 180, count=2))) == 2
    assert of(0, 5, 10, count=3) == [0, 1, 2]
    assert of(0, 120, 240, count=1) == [0, 0, 0]


def test_average_linkage_does_not_chain():
    # Each is like the next, the ends are not alike: single linkage would make one of them.
    assert len(set(of(0, 30, 60, 90, 120, 150, same=0.8))) > 1


def test_a_group_of_too_few_seconds_goes_to_the_nearest():
    voices = [voice(d) for d in (0, 2, 90, 92, 60)]
    assert clusters(voices, [1, 1, 1, 1, 0.3], same=0.9, least=1.0) == [0, 0, 1, 1, 1]
    assert clusters(voices, [0.1] * 5, same=0.9, least=1.0) == [0] * 5  # nobody has spoken for long


def test_likeness_of_groups_is_the_mean_over_their_members():
    """Against the definition, computed afresh at each step."""
    rng = np.random.default_rng(0)
    voices = [unit(v) for v in rng.standard_normal((25, 4)).astype(np.float32)]

    def slow(same):
        groups = [[i] for i in range(len(voices))]
        while len(groups) > 1:
            best = max(
                ((np.mean([voices[i] @ voices[j] for i in a for j in b]), p, q)
                 for p, a in enumerate(groups) for q, b in enumerate(groups) if p < q),
                key=lambda row: row[0],
            )  # fmt: skip
            if best[0] < same:
                break
            groups[best[1]] += groups.pop(best[2])
        return {frozenset(group) for group in groups}

    for same in (0.0, 0.3, 0.6):
        labels = clusters(voices, [1.0] * 25, same=same)
        fast = {frozenset(np.flatnonzero(np.array(labels) == label).tolist()) for label in set(labels)}
        assert fast == slow(same)


@given(st.lists(st.floats(0, 360), min_size=1, max_size=20), st.floats(-1, 1))
def test_every_voice_has_a_speaker_counted_without_gaps(degrees, same):
    labels = of(*degrees, same=same)
    assert len(labels) == len(degrees)
    first = list(dict.fromkeys(labels))
    assert first == list(range(len(first)))


def test_more_weight_is_no_more_likeness():
    voices = [voice(d) for d in (0, 10, 90)]
    assert clusters(voices, [1, 1, 1], same=0.7) == clusters(voices, [9, 1, 5], same=0.7) == [0, 0, 1]
