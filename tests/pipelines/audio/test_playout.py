"""The playout ledger: heard <= sent <= queued, on schedule, never too far ahead, nothing left after a clear."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.actions import SendMark, SendMedia
from pipelines.audio.playout import Playout
from pipelines.frames import TELEPHONE, AudioFormat, Encoding
from pipelines.units import MS, PTIME_US

LEAD = 160 * MS

steps = st.lists(
    st.one_of(
        st.tuples(st.just("wait"), st.integers(0, 400 * MS)),
        st.tuples(st.just("queue"), st.integers(1, 5000)),
        st.tuples(st.just("chunk"), st.integers(1, 5000)),
        st.tuples(st.just("mark"), st.integers(0, 3)),
        st.tuples(st.just("clear"), st.just(0)),
    ),
    max_size=60,
)


@given(steps)
def test_heard_never_passes_sent_nor_sent_queued(script: list[tuple[str, int]]) -> None:
    playout = Playout(TELEPHONE, LEAD, mark_every_us=200 * MS)
    at, chunk, out = 0, 0, []
    marks: list[str] = []
    for step, value in script:
        if step == "wait":
            at += value
        elif step == "queue":
            playout.queue(0, chunk, b"\x00" * value)
        elif step == "chunk":
            chunk += 1
            playout.queue(0, chunk, b"\x01" * value)
        elif step == "mark" and marks:
            playout.mark_returned(marks.pop(min(value, len(marks) - 1)), at)
        elif step == "clear":
            playout.clear(at)
            assert playout.due is None
            assert playout.pump(at) == []
            assert playout.idle(at)
            assert playout.marks_outstanding == 0
        before = playout.heard(at)
        actions = playout.pump(at)
        out += [a for a in actions if isinstance(a, SendMedia)]
        marks += [a.name for a in actions if isinstance(a, SendMark)]
        assert before <= playout.heard(at) <= playout.sent <= playout.queued
        assert playout.ear_end - at <= LEAD
        for entry in playout.heard_chunks(0, at):
            assert 0 <= entry.heard_us <= entry.queued_us
    assert all(len(frame.payload) == 160 for frame in out)
    assert playout.sent == len(out) * PTIME_US


@given(st.lists(st.integers(1, 4000), min_size=1, max_size=8))
def test_every_byte_leaves_once_and_in_order(sizes: list[int]) -> None:
    playout = Playout(TELEPHONE, LEAD)
    audio = b"".join(bytes([n % 250]) * size for n, size in enumerate(sizes))
    at = 0
    for n, size in enumerate(sizes):
        playout.queue(0, n, bytes([n % 250]) * size)
    sent = b""
    while playout.due is not None:
        at = max(at, playout.due)
        sent += b"".join(a.payload for a in playout.pump(at))
    assert sent[: len(audio)] == audio
    assert len(sent) - len(audio) < 160
    assert set(sent[len(audio) :]) <= {0xFF}


def test_frames_leave_on_an_absolute_schedule() -> None:
    playout = Playout(TELEPHONE, LEAD)
    playout.queue(0, 0, b"\x00" * 160 * 50)
    assert len(playout.pump(1_000)) == 8  # the lead at once
    assert playout.due == 1_000 + PTIME_US
    late = playout.pump(1_000 + 5 * PTIME_US + 300)  # a stall is caught up with, not added
    assert len(late) == 5
    assert playout.due == 1_000 + 6 * PTIME_US


def test_after_an_underrun_the_ear_starts_again() -> None:
    playout = Playout(TELEPHONE, LEAD)
    playout.queue(0, 0, b"\x00" * 160)
    playout.pump(0)
    assert playout.idle(PTIME_US)
    playout.queue(0, 1, b"\x00" * 1600)
    playout.pump(SECOND := 1_000_000)
    assert playout.heard(SECOND) == PTIME_US
    assert playout.heard(SECOND + 30 * MS) == PTIME_US + 30 * MS


def test_marks_correct_the_schedule_by_the_networks_delay() -> None:
    playout = Playout(TELEPHONE, LEAD, mark_every_us=100 * MS)
    playout.queue(0, 0, b"\x00" * 8000)
    names = [a.name for a in playout.pump(0) if isinstance(a, SendMark)]
    assert playout.heard(90 * MS) == 90 * MS  # no mark yet: the schedule
    playout.mark_returned(names[0], 180 * MS)  # 100 ms of audio were played by now: the ear is 80 ms behind
    assert playout.heard(190 * MS) == 110 * MS


def test_a_carrier_that_returns_marks_at_once_is_not_believed_ahead_of_time() -> None:
    playout = Playout(TELEPHONE, LEAD, mark_every_us=100 * MS)
    playout.queue(0, 0, b"\x00" * 8000)
    for action in playout.pump(0):
        if isinstance(action, SendMark):
            playout.mark_returned(action.name, 1 * MS)
    assert playout.heard(20 * MS) == 20 * MS


def test_marks_that_a_clear_brings_back_are_not_heard() -> None:
    playout = Playout(TELEPHONE, LEAD, mark_every_us=100 * MS)
    playout.queue(0, 0, b"\x00" * 8000)
    names = [a.name for a in playout.pump(0) if isinstance(a, SendMark)]
    heard = playout.heard_chunks(0, 40 * MS)[0].heard_us
    playout.clear(40 * MS)
    assert heard == 40 * MS
    assert not playout.mark_returned(names[0], 45 * MS)
    assert playout.heard_chunks(0, 45 * MS) == []


def test_wide_band_frames_have_the_wires_size() -> None:
    playout = Playout(AudioFormat(Encoding.L16, 16_000), LEAD)
    playout.queue(0, 0, b"\x00" * 1000)
    frames = playout.pump(0)
    assert [len(f.payload) for f in frames] == [640, 640]


@given(st.lists(st.tuples(st.integers(0, 700 * MS), st.integers(0, 900 * MS)), max_size=6), st.integers(0, 150))
def test_a_hold_costs_the_ear_no_frame_and_repeats_none(holds: list[tuple[int, int]], bytes_each: int) -> None:
    """`holds`: how long the agent speaks before each, and how long it lasts. The frame that plays as it begins is cut short."""
    playout = Playout(TELEPHONE, LEAD, mark_every_us=200 * MS)
    frames = 120
    audio = b"".join(bytes([n]) * 160 for n in range(frames))
    size = 160 + bytes_each  # of a piece: they need not be whole frames
    for n in range(0, len(audio), size):
        playout.queue(0, n // size, audio[n : n + size])
    at, ear_end = 0, 0
    heard: list[tuple[int, int]] = []  # when the ear begins a frame, which one

    def speak(until: int) -> None:
        nonlocal at, ear_end
        while at <= until:
            for action in playout.pump(at):
                if isinstance(action, SendMedia):
                    start = max(at, ear_end)
                    heard.append((start, action.payload[0]))
                    ear_end = start + PTIME_US
            assert playout.heard(at) <= playout.sent <= playout.queued
            if playout.due is None or playout.due > until:
                break
            at = playout.due
        at = max(at, until)

    for speaking, silent in holds:
        speak(at + speaking)
        before = playout.heard(at)
        playout.hold(at)
        heard = [(start, frame) for start, frame in heard if start < at]
        ear_end = min(ear_end, at)
        assert before <= playout.sent == playout.heard(at) < before + PTIME_US
        assert playout.marks_outstanding == 0
        assert sum(entry.heard_us for entry in playout.heard_chunks(0, at)) == playout.heard(at)
        at += silent
        assert playout.heard(at) == playout.sent
    speak(at + 10_000 * MS)
    assert [frame for _, frame in heard] == list(range(frames))
    assert playout.idle(at)


def test_a_mark_after_a_hold_has_a_name_of_its_own() -> None:
    playout = Playout(TELEPHONE, LEAD, mark_every_us=100 * MS)
    playout.queue(0, 0, b"\x00" * 160 * 50)
    before = {a.name for a in playout.pump(0) if isinstance(a, SendMark)}
    playout.hold(30 * MS)
    assert not playout.mark_returned(next(iter(before)), 40 * MS)  # a carrier brings it back when it is told to clear
    after = {a.name for a in playout.pump(60 * MS) if isinstance(a, SendMark)}
    assert before
    assert after
    assert not before & after
