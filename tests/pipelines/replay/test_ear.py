"""The caller's ear: real time, queueing, clears."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.actions import ClearMedia, SendMark, SendMedia
from pipelines.frames import TELEPHONE, AudioFormat, Encoding
from pipelines.replay.ear import Ear, Sound

FRAME = 20_000


def frame(value: int) -> SendMedia:
    return SendMedia(bytes([value]) * 160)


def test_frames_sent_ahead_play_one_after_another():
    ear = Ear(TELEPHONE)
    for value in range(3):
        ear.take(1_000, frame(value))
    ear.take(500_000, frame(3))
    assert ear.heard() == [
        Sound(1_000, bytes([0]) * 160 + bytes([1]) * 160 + bytes([2]) * 160),
        Sound(500_000, bytes([3]) * 160),
    ]


def test_a_clear_stops_what_plays_and_drops_what_waits():
    ear = Ear(TELEPHONE)
    for value in range(5):
        ear.take(0, frame(value))
    ear.take(0, SendMark("end"))
    assert ear.take(30_000, ClearMedia()) == ["end"]
    assert ear.mark_at is None
    assert ear.heard() == [Sound(0, bytes([0]) * 160 + bytes([1]) * 80)]
    ear.take(40_000, frame(9))
    assert ear.heard()[-1] == Sound(40_000, bytes([9]) * 160)


def test_a_clear_cuts_between_samples():
    ear = Ear(AudioFormat(Encoding.L16, 16_000))
    ear.take(0, SendMedia(b"ab" * 320))
    ear.take(10_030, ClearMedia())
    (sound,) = ear.heard()
    assert len(sound.audio) == 320


def test_marks_return_when_what_was_before_them_was_played():
    ear = Ear(TELEPHONE)
    ear.take(0, SendMark("start"))
    ear.take(0, frame(0))
    ear.take(0, frame(1))
    ear.take(0, SendMark("two"))
    ear.take(0, frame(2))
    assert (ear.mark_at, ear.return_mark()) == (0, "start")
    assert (ear.mark_at, ear.return_mark()) == (40_000, "two")


@given(st.lists(st.tuples(st.integers(0, 50_000), st.sampled_from(["send", "clear"])), max_size=60))
def test_nothing_is_heard_before_it_was_sent_nor_twice_at_once(script):
    ear, at, sent = Ear(TELEPHONE), 0, 0
    for wait, what in script:
        at += wait
        ear.take(at, frame(sent % 256) if what == "send" else ClearMedia())
        sent += what == "send"
        assert ear.end <= at + sent * FRAME
    sounds = ear.heard()
    for one, other in pairwise(sounds):
        assert one.at + TELEPHONE.duration_us(len(one.audio)) <= other.at
    assert sum(len(sound.audio) for sound in sounds) <= sent * 160
