import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.resample import Resampler, resample

RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000]
USED = [
    (8_000, 16_000),
    (16_000, 8_000),
    (24_000, 16_000),
    (16_000, 24_000),
    (22_050, 8_000),
    (22_050, 16_000),
    (44_100, 48_000),
]


def tone(hz: float, rate: int, seconds: float = 0.2, peak: float = 16_000.0) -> np.ndarray:
    return np.rint(peak * np.sin(2 * np.pi * hz * np.arange(int(rate * seconds)) / rate)).astype(np.int16)


def level(samples: np.ndarray) -> float:
    """dB against the tones above, without the ends (where the tone starts and stops)."""
    middle = samples[len(samples) // 4 : -len(samples) // 4].astype(float)
    return 10 * np.log10(np.mean(middle**2) / (16_000.0**2 / 2) + 1e-12)


@settings(max_examples=60, deadline=None)
@given(
    rates=st.tuples(st.sampled_from(RATES), st.sampled_from(RATES)),
    sizes=st.lists(st.one_of(st.integers(0, 5), st.integers(0, 900)), max_size=12),
    seed=st.integers(0, 99),
)
def test_any_cut_of_the_input_gives_the_same_output_bit_for_bit(rates, sizes, seed):
    rate_in, rate_out = rates
    samples = np.random.default_rng(seed).integers(-32_768, 32_768, sum(sizes)).astype(np.int16)
    resampler = Resampler(rate_in, rate_out)
    parts = [resampler.process(part) for part in np.split(samples, np.cumsum(sizes)[:-1])] if sizes else []
    cut = np.concatenate([*parts, resampler.flush()])
    assert cut.dtype == np.int16
    assert np.array_equal(cut, resample(samples, rate_in, rate_out))
    assert len(cut) == -(-len(samples) * rate_out // rate_in)


@pytest.mark.parametrize(("rate_in", "rate_out"), USED)
def test_delay_measured_with_an_impulse(rate_in, rate_out):
    """The click is found at its own time, and came out `group_delay` after it went in."""
    resampler = Resampler(rate_in, rate_out)
    click_at = rate_in // 20
    out, came_at = [], None
    for i in range(rate_in // 10):
        out.extend(resampler.process(np.array([20_000 if i == click_at else 0], np.int16)))
        instant = click_at * rate_out / rate_in
        if came_at is None and len(out) > instant:
            came_at = i
    assert np.argmax(np.abs(out)) == pytest.approx(click_at * rate_out / rate_in, abs=0.5)
    held_back = (came_at - click_at) / rate_in
    assert held_back <= 0.005
    assert held_back == pytest.approx(resampler.group_delay, abs=1 / rate_in + 1 / rate_out)


@pytest.mark.parametrize(("rate_in", "rate_out"), USED)
def test_a_chirp_stays_where_it_is(rate_in, rate_out):
    top = 0.8 * min(rate_in, rate_out) / 2

    def chirp(rate: int) -> np.ndarray:
        t = np.arange(rate // 2) / rate
        return 16_000 * np.sin(2 * np.pi * top * t**2)  # 0 Hz to `top` in half a second

    out = resample(np.rint(chirp(rate_in)).astype(np.int16), rate_in, rate_out)
    error = (out - chirp(rate_out))[200:-400]
    assert np.sqrt(np.mean(error**2)) < 16_000 / 2**0.5 * 10 ** (-50 / 20)


@pytest.mark.parametrize(("rate_in", "rate_out"), USED)
def test_flat_in_the_passband(rate_in, rate_out):
    nyquist = min(rate_in, rate_out) / 2
    for part in (0.02, 0.1, 0.3, 0.5, 0.7, 0.8, 0.85):
        assert level(resample(tone(part * nyquist, rate_in), rate_in, rate_out)) == pytest.approx(0, abs=0.1)


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in USED if pair[0] > pair[1]])
def test_what_lies_above_the_lower_nyquist_frequency_does_not_fold_back(rate_in, rate_out):
    nyquist = rate_out / 2
    for hz in np.linspace(1.01 * nyquist, 0.99 * rate_in / 2, 9):
        assert level(resample(tone(hz, rate_in), rate_in, rate_out)) < -58


@pytest.mark.parametrize(("rate_in", "rate_out"), [pair for pair in USED if pair[0] < pair[1]])
def test_no_image_appears_above_the_lower_nyquist_frequency(rate_in, rate_out):
    nyquist = rate_in / 2
    for part in (0.1, 0.5, 0.8, 0.85, 0.95):
        out = resample(tone(part * nyquist, rate_in, seconds=0.5), rate_in, rate_out).astype(float)
        middle = out[len(out) // 4 : -len(out) // 4]
        spectrum = np.abs(np.fft.rfft(middle * np.blackman(len(middle)))) / (0.42 * len(middle) / 2) / 16_000
        above = np.fft.rfftfreq(len(middle), 1 / rate_out) > 1.02 * nyquist
        assert 20 * np.log10(spectrum[above].max()) < -58


@pytest.mark.parametrize("rate_in", RATES)
@pytest.mark.parametrize("rate_out", RATES)
def test_every_pair_of_usual_rates_is_taken_with_little_delay(rate_in, rate_out):
    assert Resampler(rate_in, rate_out).group_delay <= 0.005
    assert len(resample(np.zeros(1_001, np.int16), rate_in, rate_out)) == -(-1_001 * rate_out // rate_in)


def test_equal_rates_pass_untouched():
    samples = np.arange(7, dtype=np.int16)
    resampler = Resampler(16_000, 16_000)
    assert resampler.process(samples) is samples
    assert len(resampler.flush()) == 0
    assert resampler.group_delay == 0


@pytest.mark.parametrize(("rate_in", "rate_out"), USED)
def test_a_constant_stays_constant(rate_in, rate_out):
    out = resample(np.full(rate_in, 32_000, np.int16), rate_in, rate_out)
    assert set(out[200:-200].tolist()) == {32_000}


def test_overshoot_is_held_at_full_scale():
    square = np.repeat(np.array([32_767, -32_768] * 20, np.int16), 40)
    out = resample(square, 8_000, 16_000)
    assert (out.min(), out.max()) == (-32_768, 32_767)
    assert np.all(np.sign(out[40:80:2]) == 1)  # nothing wrapped around


def test_a_stream_starts_anew_after_flush():
    samples = tone(440, 8_000)
    resampler = Resampler(8_000, 16_000)
    first = np.concatenate((resampler.process(samples), resampler.flush()))
    again = np.concatenate((resampler.process(samples), resampler.flush()))
    assert np.array_equal(first, again)


def test_a_frame_in_is_a_frame_out_once_the_filter_is_filled():
    resampler = Resampler(8_000, 16_000)
    sizes = [len(resampler.process(np.zeros(160, np.int16))) for _ in range(5)]
    assert sizes == [320 - 48, 320, 320, 320, 320]


@pytest.mark.parametrize(("rate_in", "rate_out"), [(0, 8_000), (8_000, -1), (16_000, 44_101), (7_919, 16_000)])
def test_rates_that_are_none_are_refused(rate_in, rate_out):
    with pytest.raises(ValueError, match=r"rate|ratio"):
        Resampler(rate_in, rate_out)
