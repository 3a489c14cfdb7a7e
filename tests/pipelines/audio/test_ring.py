import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.ring import Ring, SpanNotHeld
from pipelines.units import SAMPLE_RATE


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seconds=st.sampled_from([0.5, 1.0, 2.0, 3.0]))
def test_any_writes_and_reads_equal_a_list(data, seconds):
    ring, reference = Ring(seconds), np.zeros(0, np.int16)
    sizes = st.one_of(st.integers(0, 700), st.integers(0, 70_000))
    for size in data.draw(st.lists(sizes, max_size=8)):
        samples = (np.arange(size) * 7 + len(reference)).astype(np.int16)
        ring.write(samples)
        reference = np.concatenate((reference, samples))
        assert ring.end == len(reference)
        assert ring.start == 0 or ring.end - ring.start >= seconds * SAMPLE_RATE
        first = data.draw(st.integers(ring.start, ring.end))
        last = data.draw(st.integers(first, ring.end))
        assert np.array_equal(ring.span(first, last) * 32_768, reference[first:last])
    held = ring.span(ring.start, ring.end)
    assert np.array_equal(held * 32_768, reference[ring.start :])


def test_a_span_is_float32_in_range_and_a_copy():
    ring = Ring(1.0)
    ring.write(np.array([-32_768, 0, 32_767], np.int16))
    span = ring.span(0, 3)
    assert span.dtype == np.float32
    assert span.tolist() == [-1.0, 0.0, 32_767 / 32_768]
    span[:] = 0
    assert ring.span(0, 1) == -1.0


def test_what_was_written_is_a_copy():
    samples = np.ones(10, np.int16)
    ring = Ring(1.0)
    ring.write(samples)
    samples[:] = 0
    assert ring.span(0, 10).all()


@pytest.mark.parametrize(
    ("first", "last"), [(-1, 5), (0, 16_000), (15_999, 16_000), (16_000, 32_001), (20_000, 19_999), (40_000, 40_001)]
)
def test_a_span_that_is_not_held_is_refused(first, last):
    ring = Ring(1.0)
    ring.write(np.zeros(32_000, np.int16))
    with pytest.raises(SpanNotHeld, match="not held"):
        ring.span(first, last)


def test_a_span_that_is_not_held_is_an_index_error():
    with pytest.raises(IndexError):
        Ring().span(0, 1)


def test_nothing_can_be_read_at_the_end():
    ring = Ring()
    assert ring.span(0, 0).shape == (0,)


def test_memory_comes_with_the_audio_and_is_bounded():
    frame = np.zeros(320, np.int16)
    tracemalloc.start()
    try:
        rings = [Ring(20.0) for _ in range(10)]
        idle = tracemalloc.get_traced_memory()[0] / 10
        for _ in range(60 * 50):
            rings[0].write(frame)
        full = tracemalloc.get_traced_memory()[0] - idle * 9
    finally:
        tracemalloc.stop()
    assert idle < 2_000
    assert full < 650_000


def test_a_ring_of_nothing_is_refused():
    with pytest.raises(ValueError, match="hold"):
        Ring(0)
