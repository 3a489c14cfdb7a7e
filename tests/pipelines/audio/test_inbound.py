import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.g711 import decode, encode
from pipelines.audio.inbound import Inbound
from pipelines.audio.resample import resample
from pipelines.audio.ring import SpanNotHeld
from pipelines.events import MediaReceived
from pipelines.frames import TELEPHONE, AudioFormat, Encoding

WIDE = AudioFormat(Encoding.L16, 16_000)


def packets(wire: AudioFormat, samples: np.ndarray, ptime: int = 20) -> list[MediaReceived]:
    """`samples` at the wire's rate, in whole packets, stamped."""
    size = wire.sample_rate * ptime // 1_000
    pieces = (samples[i : i + size] for i in range(0, len(samples) - size + 1, size))
    return [MediaReceived(encode(piece, wire.encoding), i * ptime) for i, piece in enumerate(pieces)]


def voice(rate: int, seconds: float) -> np.ndarray:
    t = np.arange(int(rate * seconds)) / rate
    return np.rint(8_000 * np.sin(2 * np.pi * 300 * t) + 3_000 * np.sin(2 * np.pi * 2_100 * t)).astype(np.int16)


@pytest.mark.parametrize(
    "wire",
    [TELEPHONE, AudioFormat(Encoding.ALAW), AudioFormat(Encoding.L16), WIDE, AudioFormat(Encoding.L16, 24_000)],
    ids=lambda wire: f"{wire.encoding}-{wire.sample_rate}",
)
@pytest.mark.parametrize("ptime", [10, 20, 30, 40])
def test_the_wire_becomes_media_samples_in_windows_without_gaps(wire, ptime):
    spoken = voice(wire.sample_rate, 1.2)
    inbound = Inbound(wire)
    windows = []
    for i, packet in enumerate(packets(wire, spoken, ptime)):
        windows += inbound.receive((i + 1) * ptime * 1_000, packet)
    assert windows == [(i * 512, i * 512 + 512) for i in range(inbound.end // 512)]
    heard = np.concatenate([inbound.span(first, last) for first, last in windows])
    expected = resample(decode(encode(spoken, wire.encoding), wire.encoding), wire.sample_rate, 16_000)
    assert np.array_equal(heard * 32_768, expected[: len(heard)])
    assert 1.2 * 16_000 - inbound.end <= 0.005 * 16_000


def test_a_16_khz_wire_keeps_what_a_telephone_cannot_carry():
    hiss = np.rint(8_000 * np.sin(2 * np.pi * 6_000 * np.arange(16_000) / 16_000)).astype(np.int16)
    inbound = Inbound(WIDE)
    for i, packet in enumerate(packets(WIDE, hiss)):
        inbound.receive(20_000 * i, packet)
    assert np.array_equal(inbound.span(0, 16_000) * 32_768, hiss)


@settings(deadline=None)
@given(
    way=st.integers(0, 500_000),
    jitter=st.lists(st.integers(0, 900_000), min_size=20, max_size=60),
    quick=st.integers(0, 19),
)
def test_a_click_is_dated_to_when_it_was_said_whatever_the_networks_jitter(way, jitter, quick):
    jitter[quick] = 0
    samples = np.zeros(160 * len(jitter), np.int16)
    click = 160 * 15 + 37
    samples[click] = 30_000
    inbound = Inbound(TELEPHONE)
    at = 0
    for i, packet in enumerate(packets(TELEPHONE, samples)):
        at = max(at, (i + 1) * 20_000 + way + jitter[i])  # a websocket keeps the order
        inbound.receive(at, packet)
    found = int(np.argmax(inbound.span(0, inbound.end)))
    assert found == 2 * click
    # A packet waits for those before it, so the quickest may not show: the least of the waits is what remains.
    least = min(
        np.maximum.accumulate([(i + 1) * 20_000 + j for i, j in enumerate(jitter)])
        - np.arange(1, len(jitter) + 1) * 20_000
    )
    assert inbound.said_at(found) == way + least + click * 125


def test_the_clocks_follow_a_carrier_that_runs_slow():
    """300 parts in a million, for a minute: 18 ms that a smallest delay of all time would never notice."""
    inbound = Inbound(TELEPHONE)
    silence = TELEPHONE.silence(160)
    for i in range(3_000):
        inbound.receive((i + 1) * 20_006, MediaReceived(silence, 20 * i))
    assert inbound.said_at(960_000) == pytest.approx(3_000 * 20_006, abs=10 * 300)


def test_the_clocks_follow_a_wire_without_timestamps_that_paused():
    inbound = Inbound(TELEPHONE)
    silence = TELEPHONE.silence(160)
    for i in range(10):
        inbound.receive((i + 1) * 20_000, MediaReceived(silence))
    for i in range(10):
        inbound.receive(5_000_000 + i * 20_000, MediaReceived(silence))
    assert inbound.said_at(20 * 320) == 5_180_000


def test_a_stalled_network_that_catches_up_does_not_move_the_clocks():
    inbound = Inbound(TELEPHONE)
    silence = TELEPHONE.silence(160)
    for i in range(200):
        at = (i + 1) * 20_000
        inbound.receive(3_000_000 if 1_000_000 < at < 3_000_000 else at, MediaReceived(silence, 20 * i))
    assert inbound.said_at(0) == 0


def test_packets_out_of_order_twice_and_missing_are_put_right_and_counted():
    spoken = voice(8_000, 0.4)
    sent = packets(TELEPHONE, spoken)
    straight, crooked = Inbound(TELEPHONE), Inbound(TELEPHONE)
    for packet in sent:
        straight.receive(packet.timestamp * 1_000, packet)
    for step, i in enumerate([0, 2, 1, 3, 3, 5, 4, 6, 7, 9, 10, 11, 8, 12, 13, 14, 15, 16, 17, 18, 19]):
        crooked.receive(step * 20_000, sent[i])
    assert (crooked.lost, crooked.late, crooked.duplicated, crooked.reordered) == (1, 1, 1, 2)
    assert crooked.end == straight.end
    assert np.array_equal(crooked.span(0, 8 * 320 - 48), straight.span(0, 8 * 320 - 48))
    assert np.array_equal(crooked.span(9 * 320 + 48, 6_000), straight.span(9 * 320 + 48, 6_000))


@settings(deadline=None)
@given(
    st.sampled_from([TELEPHONE, AudioFormat(Encoding.L16), WIDE]),
    st.lists(st.tuples(st.binary(max_size=400), st.one_of(st.none(), st.integers(-1_000, 20_000))), max_size=30),
)
def test_no_payload_raises(wire, received):
    inbound = Inbound(wire)
    for i, (payload, timestamp) in enumerate(received):
        for first, last in inbound.receive(20_000 * i, MediaReceived(payload, timestamp)):
            assert len(inbound.span(first, last)) == 512


def test_an_odd_byte_of_one_packet_does_not_spoil_the_next():
    inbound = Inbound(WIDE)
    inbound.receive(0, MediaReceived(b"\x01\x00\x02\x00\x03"))
    inbound.receive(0, MediaReceived(b"\x04\x00"))
    assert (inbound.span(0, 3) * 32_768).tolist() == [1, 2, 4]


def test_windows_of_an_endless_packet_can_all_be_read():
    inbound = Inbound(TELEPHONE)
    windows = inbound.receive(0, MediaReceived(bytes(8_000 * 60)))
    assert len(windows) in (624, 625)
    assert all(len(inbound.span(first, last)) == 512 for first, last in windows)
    assert windows[-1][1] > inbound.end - 512


def test_a_span_begins_with_the_oldest_sample_held():
    inbound = Inbound(WIDE)
    inbound.receive(0, MediaReceived(bytes(2 * 16_000 * 30)))
    assert len(inbound.span(0, 200_000)) == 200_000 - (inbound.end - 320_000)
    with pytest.raises(SpanNotHeld):
        inbound.span(0, 1_000)
    with pytest.raises(SpanNotHeld):
        inbound.span(inbound.end, inbound.end + 1)


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(ValueError, match="rate"):
        Inbound(AudioFormat(Encoding.L16, 0))
