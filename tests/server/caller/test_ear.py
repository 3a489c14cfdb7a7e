"""The ear against a second model of it: a list of samples played one by one."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from server.caller.ear import Ear

MS = 8  # samples
LOUD = np.full(20 * MS, 4_000, np.int16)


def test_audio_that_arrives_while_it_plays_follows_without_a_break() -> None:
    ear = Ear()
    ear.receive(np.full(160, 1, np.int16), 0)
    ear.receive(np.full(160, 2, np.int16), 5_000)
    ear.receive(np.full(160, 3, np.int16), 100_000)
    assert ear.wave(130_000).tolist() == [1] * 160 + [2] * 160 + [0] * 480 + [3] * 160 + [0] * 80


def test_a_clear_silences_at_once_and_returns_every_pending_mark() -> None:
    ear = Ear()
    ear.receive(np.tile(LOUD, 50), 0)
    assert ear.mark("a", 0) == 1_000_000
    ear.receive(np.tile(LOUD, 50), 0)
    ear.mark("b", 0)
    assert ear.clear(300_000) == ["a", "b"]
    assert ear.passed(3_000_000) == []
    assert ear.audible_until(0, 2_000_000) == 300_000
    assert ear.mark("c", 400_000) == 400_000  # nothing before it: reached at once
    ear.receive(LOUD, 500_000)
    assert ear.audible_from(310_000, 1_000_000) == 500_000


def test_marks_are_passed_when_what_was_before_them_was_played() -> None:
    ear = Ear()
    ear.receive(LOUD, 0)
    ear.mark("a", 1_000)
    ear.receive(LOUD, 2_000)
    ear.mark("b", 3_000)
    assert ear.passed(19_999) == []
    assert ear.passed(20_000) == ["a"]
    assert ear.passed(60_000) == ["b"]


def test_digital_silence_and_codec_noise_are_not_audible() -> None:
    ear = Ear()
    ear.receive(np.zeros(800, np.int16), 0)
    ear.receive(np.full(800, 8, np.int16), 0)
    ear.receive(LOUD, 0)
    assert ear.audible_from(0, 1_000_000) == 200_000
    assert ear.heard(0, 1_000_000) == 20_000
    assert ear.audible_from(220_000, 1_000_000) is None
    assert ear.audible_until(230_000, 1_000_000) == 230_000


@given(
    st.lists(
        st.tuples(st.integers(0, 120), st.integers(0, 400), st.sampled_from(["media", "mark", "clear"])), max_size=30
    )
)
def test_as_a_sample_by_sample_player(steps: list[tuple[int, int, str]]) -> None:
    ear, at, queue, played, marks, came = Ear(), 0, [], [], [], []
    for number, (wait, size, what) in enumerate(steps):
        for _ in range(wait * MS):
            played.append(queue.pop(0) if queue else 0)
            came += [name for name, due in marks if due == len(played)]
        marks = [(name, due) for name, due in marks if due > len(played)]
        at += wait * 1_000
        assert ear.passed(at) == came
        came = []
        if what == "media":
            ear.receive(np.full(size, number + 1, np.int16), at)
            queue += [number + 1] * size
        elif what == "mark":
            ear.mark(str(number), at)
            if queue:
                marks.append((str(number), len(played) + len(queue)))
            else:
                came = [str(number)]
        else:
            assert ear.clear(at) == [*came, *(name for name, _ in marks)]
            queue, marks, came = [], [], []
    assert ear.wave(at).tolist() == played
