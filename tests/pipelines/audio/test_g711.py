import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio.g711 import decode, encode
from pipelines.frames import AudioFormat, Encoding

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop

EVERY_CODE = bytes(range(256))
EVERY_SAMPLE = np.arange(-32_768, 32_768).astype(np.int16)
COMPANDED = [Encoding.MULAW, Encoding.ALAW]


def test_every_code_is_decoded_as_by_the_reference():
    assert decode(EVERY_CODE, Encoding.MULAW).tobytes() == audioop.ulaw2lin(EVERY_CODE, 2)
    assert decode(EVERY_CODE, Encoding.ALAW).tobytes() == audioop.alaw2lin(EVERY_CODE, 2)


def test_every_sample_is_encoded_as_by_the_reference():
    assert encode(EVERY_SAMPLE, Encoding.MULAW) == audioop.lin2ulaw(EVERY_SAMPLE.tobytes(), 2)
    assert encode(EVERY_SAMPLE, Encoding.ALAW) == audioop.lin2alaw(EVERY_SAMPLE.tobytes(), 2)


@pytest.mark.parametrize("encoding", COMPANDED)
def test_decoded_levels_are_encoded_as_themselves(encoding):
    levels = decode(EVERY_CODE, encoding)
    assert np.array_equal(decode(encode(levels, encoding), encoding), levels)


def test_every_sample_comes_back_within_half_a_step_of_the_quantiser():
    """The step of segment s is 8 << s samples in mu-law, 16 << max(s - 1, 0) in A-law; levels are in the middle."""
    samples = EVERY_SAMPLE.astype(int)
    for encoding in COMPANDED:
        payload = encode(EVERY_SAMPLE, encoding)
        code = np.frombuffer(payload, np.uint8).astype(int)
        error = np.abs(decode(payload, encoding) - samples)
        if encoding is Encoding.ALAW:
            assert np.all(error <= 8 << np.maximum(((code ^ 0x55) >> 4 & 7) - 1, 0))
            continue
        half = 4 << ((code ^ 0xFF) >> 4 & 7)
        unclipped = np.abs(samples) <= 32_635
        assert np.all((error <= half)[unclipped & (samples >= 0)])
        # The reference drops two bits by a shift, which rounds downwards: a negative tie may go to the lower level.
        assert np.all((error <= half + 3)[unclipped])
        assert error.max() == 32_768 - 32_124  # the last level stands for all that is louder


@pytest.mark.parametrize("encoding", COMPANDED)
def test_noise_is_at_least_36_db_below_a_tone(encoding):
    """G.711's well-known signal-to-noise ratio, whatever the level."""
    for peak in (30_000, 3_000):
        tone = np.rint(peak * np.sin(np.arange(8_000) * 0.7)).astype(np.int16)
        noise = decode(encode(tone, encoding), encoding).astype(float) - tone
        assert 10 * np.log10(np.mean(tone.astype(float) ** 2) / np.mean(noise**2)) > 36


@given(st.lists(st.integers(-32_768, 32_767)), st.sampled_from(list(Encoding)))
def test_round_trip_keeps_length_and_order(values, encoding):
    samples = np.array(values, np.int16)
    again = decode(encode(samples, encoding), encoding).astype(int)
    step = 0 if encoding is Encoding.L16 else 1_024  # half of the coarsest step, and what is clipped
    assert again.shape == samples.shape
    assert np.all(np.abs(again - samples) <= step)


@given(st.binary(max_size=50))
def test_l16_is_little_endian_and_ignores_half_a_sample(payload):
    expected = [int.from_bytes(payload[i : i + 2], "little", signed=True) for i in range(0, len(payload) - 1, 2)]
    assert decode(payload, Encoding.L16).tolist() == expected


@pytest.mark.parametrize("encoding", list(Encoding))
def test_what_frames_call_silence_is_silent(encoding):
    assert np.all(np.abs(decode(AudioFormat(encoding).silence(320), encoding)) <= 8)


def test_samples_that_lie_apart_in_memory_are_encoded():
    apart = EVERY_SAMPLE[::3]
    for encoding in Encoding:
        assert encode(apart, encoding) == encode(apart.copy(), encoding)
