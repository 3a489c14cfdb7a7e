import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.jitter import Jitter

RATE = 8_000
FRAME = 160


def frames(count: int, size: int = FRAME) -> list[np.ndarray]:
    """Packets of a stream in which no sample equals its neighbours and none is 0."""
    stream = (np.arange(count * size) % 30_000 + 1).astype(np.int16)
    return np.split(stream, count)


class Wire:
    """Packets to a `Jitter`, and all it gave."""

    def __init__(self, rate: int = RATE) -> None:
        self.jitter = Jitter(rate)
        self.given: list[np.ndarray] = []

    def send(self, at_ms: int, timestamp: int | None, samples: np.ndarray) -> np.ndarray:
        out = self.jitter.receive(at_ms * 1_000, timestamp, samples)
        self.given.append(out)
        return out

    @property
    def stream(self) -> np.ndarray:
        return np.concatenate(self.given)

    @property
    def counts(self) -> dict[str, int]:
        names = ("lost", "late", "duplicated", "reordered")
        return {name: getattr(self.jitter, name) for name in names if getattr(self.jitter, name)}


@st.composite
def shuffled(draw) -> list[int]:
    """Indices of a stream as they arrive: a frame is overtaken by at most two others, and some come again."""
    count = draw(st.integers(1, 30))
    delays = [0.0, *draw(st.lists(st.floats(0, 2.9), min_size=count - 1, max_size=count - 1))]
    order = sorted(range(count), key=lambda i: i + delays[i])
    for copy in draw(st.lists(st.tuples(st.integers(0, count - 1), st.integers(1, 20)), max_size=6)):
        at = order.index(copy[0]) + copy[1]
        order.insert(at, copy[0])
    return order


@given(shuffled(), st.integers(0, 10**13))
def test_order_within_the_window_is_restored_and_duplicates_dropped(order, base):
    sent = frames(max(order) + 1)
    wire = Wire()
    for step, i in enumerate(order):
        wire.send(20 * step + 20, base + 20 * i, sent[i])
    assert np.array_equal(wire.stream, np.concatenate(sent))
    assert wire.jitter.duplicated == len(order) - len(sent)
    assert wire.jitter.lost == wire.jitter.late == 0
    assert (wire.jitter.reordered > 0) == (list(dict.fromkeys(order)) != sorted(set(order)))


@given(st.sets(st.integers(1, 40), max_size=25), st.sampled_from([80, 160, 240, 320]))
def test_with_losses_every_frame_is_in_its_place_and_the_length_is_the_wires_time(missing, size):
    ptime = size // 8
    sent = frames(60, size)
    wire = Wire()
    for i, samples in enumerate(sent):
        if i not in missing:
            wire.send(ptime * (i + 1), ptime * i, samples)
    assert len(wire.stream) == wire.jitter.end == 60 * size
    got = np.split(wire.stream, 60)
    for i, samples in enumerate(sent):
        assert i in missing or np.array_equal(got[i], samples)
    assert wire.jitter.late == wire.jitter.duplicated == wire.jitter.reordered == 0
    runs = np.split(sorted(missing), np.flatnonzero(np.diff(sorted(missing)) > 1) + 1)
    assert wire.jitter.lost == sum(len(run) for run in runs if len(run) * ptime <= 300)


@given(st.lists(st.integers(1, 500), min_size=1, max_size=40), st.sampled_from([8_000, 16_000, 24_000]))
def test_packets_of_any_length_with_rounded_timestamps_pass_untouched(sizes, rate):
    wire, position = Wire(rate), 0
    stream = (np.arange(sum(sizes)) % 30_000 + 1).astype(np.int16)
    for size in sizes:
        samples = stream[position : position + size]
        assert wire.send(position * 1_000 // rate, position * 1_000 // rate, samples) is samples
        position += size
    assert wire.counts == {}


@given(st.lists(st.integers(-10, 10), max_size=30), st.sampled_from([160, 240, 480]))
def test_what_comes_in_order_passes_at_once_even_when_stamped_half_a_frame_off(offs, size):
    wire, ptime = Wire(), size // 8
    for i, (samples, off) in enumerate(zip(frames(len(offs) + 1, size), [0, *offs], strict=True)):
        assert wire.send(ptime * i, 1_000 + ptime * i + off, samples) is samples
    assert wire.counts == {}


def test_without_timestamps_packets_are_contiguous():
    wire = Wire()
    for i, samples in enumerate(frames(5)):
        assert wire.send(1_000 * i, None, samples) is samples


def test_timestamps_may_begin_late():
    wire = Wire()
    sent = frames(4)
    wire.send(20, None, sent[0])
    for i in (1, 2, 3):
        assert wire.send(20 + 20 * i, 5_000 + 20 * i, sent[i]) is sent[i]


def test_a_lost_frame_holds_the_stream_back_for_the_window_and_no_longer():
    wire = Wire()
    sent = frames(6)
    sizes = [len(wire.send(20 * i, 20 * i, sent[i])) // FRAME for i in (0, 2, 3, 4, 5)]
    assert sizes == [1, 0, 0, 4, 1]
    assert wire.counts == {"lost": 1}


def test_every_frame_that_was_overtaken_is_counted_once():
    wire = Wire()
    sent = frames(5)
    for step, i in enumerate((0, 3, 2, 1, 4)):
        wire.send(20 * step, 20 * i, sent[i])
    assert np.array_equal(wire.stream, np.concatenate(sent))
    assert wire.counts == {"reordered": 2}


def test_a_frame_that_comes_after_its_place_was_concealed_is_late():
    wire = Wire()
    sent = frames(8)
    for i in (0, 2, 3, 4, 1, 4, 5):
        wire.send(20 * i, 20 * i, sent[i])
    assert wire.counts == {"lost": 1, "late": 1, "duplicated": 1}
    assert len(wire.stream) == 6 * FRAME


def test_concealment_joins_what_was_heard_and_fades_to_silence_in_60_ms():
    wire = Wire()
    spoken = np.rint(10_000 * np.sin(np.arange(FRAME) * 0.3)).astype(np.int16)
    wire.send(0, 0, spoken)
    wire.send(220, 220, spoken)
    hole = wire.stream[FRAME : 11 * FRAME].astype(float)
    assert wire.counts == {"lost": 10}
    assert abs(hole[0] - spoken[-1]) <= 1
    loud = [np.sqrt(np.mean(part**2)) for part in np.split(hole[: 3 * FRAME], 3)]
    assert 5_000 < loud[0] < 7_000
    assert loud[0] > 1.4 * loud[1] > 2 * loud[2] > 0
    assert not hole[3 * FRAME :].any()


def test_a_pause_of_the_carrier_becomes_silence_at_once_and_is_no_loss():
    wire = Wire()
    sent = frames(2)
    wire.send(20, 0, sent[0])
    out = wire.send(4_020, 4_000, sent[1])
    assert len(out) == 8 * 4_000
    assert not out[3 * FRAME : -FRAME].any()
    assert np.array_equal(out[-FRAME:], sent[1])
    assert wire.counts == {}


@pytest.mark.parametrize("jump", [10_001, 10**6, 10**30, -2_100, -(10**30)])
def test_an_absurd_jump_is_a_new_base(jump):
    wire = Wire()
    sent = frames(6)
    for i in (0, 1, 2):
        wire.send(20_000 + 20 * i, 2_000 + 20 * i, sent[i])
    for i in (3, 4, 5):
        out = wire.send(60_000 + 20 * i, 2_000 + jump + 20 * i, sent[i])
        assert out.tolist() == sent[i].tolist()
    assert wire.counts == {}


@pytest.mark.parametrize(("age", "extra"), [(1, 0), (55, 0), (101, 1)], ids=["duplicate", "1.1 s", "2 s"])
def test_a_stray_packet_of_long_ago_costs_no_more_than_itself(age, extra):
    wire = Wire()
    sent = frames(400)
    for i in range(300):
        wire.send(20 * i + 100 * (i > 10), 20 * i, sent[i])
    wire.send(6_100, 20 * (300 - age), sent[300 - age])
    for i in range(300, 400):
        wire.send(20 * i + 100, 20 * i, sent[i])
    assert len(wire.stream) == (400 + extra) * FRAME


def test_a_new_base_gives_up_what_was_waited_for():
    wire = Wire()
    sent = frames(5)
    for i, timestamp in ((0, 0), (2, 40), (3, 10**9), (4, 10**9 + 20)):
        wire.send(20 * i, timestamp, sent[i])
    assert len(wire.stream) == 5 * FRAME
    assert np.array_equal(wire.stream[2 * FRAME :], np.concatenate(sent[2:]))
    assert wire.counts == {"lost": 1}


def test_silence_is_never_filled_in_faster_than_time_passes():
    """Timestamps in samples instead of milliseconds: 160 a packet."""
    wire = Wire()
    sent = frames(100)
    for i, samples in enumerate(sent):
        wire.send(20 * i, FRAME * i, samples)
    assert len(wire.stream) <= 100 * FRAME + 1.1 * RATE


def test_a_clock_that_stands_still_does_not_make_us_deaf():
    wire = Wire()
    sent = frames(50)
    for i, samples in enumerate(sent):
        wire.send(20 * i, 0, samples)
    assert np.array_equal(wire.stream[FRAME:], np.concatenate(sent[11:]))
    assert wire.counts == {"duplicated": 10}


def test_of_a_packet_that_overlaps_only_the_new_end_is_taken():
    wire = Wire()
    stream = np.arange(1, 801, dtype=np.int16)
    wire.send(20, 0, stream[:160])
    wire.send(40, 5, stream[40:360])
    assert np.array_equal(wire.stream, stream[:360])
    assert wire.counts == {}


def test_what_is_held_and_overlaps_is_cut():
    wire = Wire()
    stream = np.arange(1, 801, dtype=np.int16)
    for timestamp, first, last in ((0, 0, 160), (40, 320, 640), (60, 480, 800), (20, 160, 320)):
        wire.send(60, timestamp, stream[first:last])
    assert np.array_equal(wire.stream, stream[:800])


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.integers(0, 500),
            st.one_of(st.none(), st.integers(-500, 12_000), st.integers(-(10**20), 10**20)),
            st.integers(0, 400),
        ),
        max_size=40,
    )
)
def test_no_packet_raises_or_makes_more_audio_than_came_and_time_passed(packets):
    wire, at = Wire(), 0
    for wait, timestamp, size in packets:
        at += wait
        wire.send(at, timestamp, np.full(size, 9, np.int16))
    assert all(out.dtype == np.int16 for out in wire.given)
    assert sum(map(len, wire.given)) == wire.jitter.end
    assert wire.jitter.end <= sum(size for _, _, size in packets) + (at + 1_000) * RATE // 1_000
