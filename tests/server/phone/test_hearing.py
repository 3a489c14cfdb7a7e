"""The caller's voice from a browser: nothing is held back, holes are silence, floods are not decoded."""

import av
import numpy as np
import pytest
from aiortc.rtp import RtpPacket
from hypothesis import given
from hypothesis import strategies as st

from server.phone.hearing import Hearing, Straight

REACH = 24  # of the resampler's filter, in samples at 16 kHz


def frame(pts: int | None, samples: np.ndarray, layout: str = "stereo") -> av.AudioFrame:
    """20 ms as aiortc decodes them; the same sound on both channels."""
    interleaved = np.repeat(samples.astype(np.int16), 2 if layout == "stereo" else 1)
    made = av.AudioFrame.from_ndarray(interleaved[None], format="s16", layout=layout)
    made.sample_rate, made.pts = 48_000, pts
    return made


def sine(first: int, n: int) -> np.ndarray:
    return 8_000 * np.sin(2 * np.pi * 440 * np.arange(first, first + n) / 48_000)


@pytest.mark.parametrize("layout", ["stereo", "mono"])
def test_frames_in_frames_out(layout):
    hearing = Hearing()
    pcm = b"".join(hearing.receive(frame(n * 960, sine(n * 960, 960), layout)) for n in range(50))
    heard = np.frombuffer(pcm, "<i2").astype(float)
    assert 16_000 - 2 * REACH <= len(heard) <= 16_000
    wanted = 8_000 * np.sin(2 * np.pi * 440 * np.arange(len(heard)) / 16_000)
    assert np.abs(heard - wanted)[100:].max() < 40


@given(st.lists(st.integers(0, 20), min_size=1, max_size=30))
def test_what_was_lost_is_silence_of_its_length(holes):
    """`holes`: packets lost before each one that comes."""
    hearing, pts, heard = Hearing(), 0, 0
    for hole in holes:
        pts += 960 * hole
        heard += len(hearing.receive(frame(pts, np.zeros(960)))) // 2
        pts += 960
    expected = (pts - 960 * holes[0]) // 3
    assert expected - 2 * REACH <= heard <= expected
    assert hearing.lost == 960 * sum(holes[1:])


def test_a_long_pause_is_no_loss():
    hearing = Hearing()
    hearing.receive(frame(0, np.zeros(960)))
    assert len(hearing.receive(frame(10 * 48_000, np.zeros(960)))) <= 640
    assert hearing.lost == 0


def test_sound_without_a_timestamp_follows_what_was():
    hearing = Hearing()
    assert len(b"".join(hearing.receive(frame(None, np.zeros(960))) for _ in range(4))) > 3 * 640


# ---- packets


def packet(number: int) -> RtpPacket:
    made = RtpPacket(payload_type=96, sequence_number=number & 0xFFFF, timestamp=number * 960)
    made._data = str(number).encode()
    return made


def passed(*numbers: int) -> list[int]:
    straight = Straight(lambda: 0.0)
    frames = [straight.add(packet(number))[1] for number in numbers]
    return [int(frame.data) for frame in frames if frame is not None]


def test_a_packet_is_decoded_when_it_comes():
    assert passed(7, 8, 9) == [7, 8, 9]


def test_a_loss_holds_nothing_back():
    assert passed(1, 2, 5, 6) == [1, 2, 5, 6]


def test_what_comes_late_or_twice_is_left_out():
    assert passed(1, 3, 2, 3, 4) == [1, 3, 4]


def test_numbers_go_round():
    assert passed(65_534, 65_535, 65_536, 65_537) == [65_534, 65_535, 65_536, 65_537]


def test_a_flood_is_not_decoded_and_is_over_with_the_second():
    now = 0.0
    straight = Straight(lambda: now)
    assert sum(straight.add(packet(n))[1] is not None for n in range(5_000)) == 400
    now = 1.0
    assert straight.add(packet(5_000))[1] is not None
