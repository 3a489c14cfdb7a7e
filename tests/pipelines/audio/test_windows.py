import numpy as np

from pipelines.audio.features import Features
from pipelines.audio.windows import FRAMES, SPAN, WINDOW, seen, spans

NOISE = np.random.default_rng(0).normal(0, 0.1, 20 * WINDOW + 100).astype(np.float32)


def test_a_span_is_the_window_and_what_came_before_it():
    cut = spans(NOISE)
    assert cut.shape == (20, SPAN)
    assert not cut[0, : SPAN - WINDOW].any()
    np.testing.assert_array_equal(cut[3, -WINDOW:], NOISE[3 * WINDOW : 4 * WINDOW])
    np.testing.assert_array_equal(cut[3, :-WINDOW], NOISE[3 * WINDOW - (SPAN - WINDOW) : 3 * WINDOW])


def test_many_windows_at_once_are_seen_as_each_alone():
    cut = spans(NOISE)
    alone = np.stack([Features("log_mel", bands=24)(span).ravel() for span in cut])
    assert alone.shape == (20, FRAMES * 24)
    np.testing.assert_allclose(seen(cut, 24), alone, atol=1e-4)


def test_less_than_a_window_is_none():
    assert seen(spans(NOISE[: WINDOW - 1]), 24).shape == (0, FRAMES * 24)
