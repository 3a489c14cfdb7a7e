"""The agent's voice as a WebRTC track: what goes in comes out as Opus, at its pace, and can be taken back."""

import asyncio

import av
import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError

from server.phone.voice import VoiceTrack
from tests.helpers.phone_page import FRAME, tone

SILENCE = bytes(2 * FRAME)


class Ear:
    """A track, and what became of its marks."""

    def __init__(self) -> None:
        self.returned: list[tuple[str, bool]] = []
        self.track = VoiceTrack(lambda name, cleared: self.returned.append((name, cleared)))
        self._decoder = av.CodecContext.create("libopus", "r")
        self._decoder.format, self._decoder.layout, self._decoder.sample_rate = "s16", "mono", 48_000

    def hear(self) -> np.ndarray:
        """The next packet, without waiting until it is due."""
        packet = self.track._next()
        return np.concatenate([frame.to_ndarray().ravel() for frame in self._decoder.decode(packet)])

    def loud(self) -> bool:
        return int(np.abs(self.hear().astype(int)).max()) > 1_000


@pytest.fixture
async def ear():
    ear = Ear()
    yield ear
    ear.track.stop()


async def test_a_packet_a_frame_of_20_ms_without_a_hole(ear):
    for _ in range(3):
        ear.track.media(SILENCE)
    packets = [ear.track._next() for _ in range(5)]
    assert [packet.pts for packet in packets] == [0, 960, 1_920, 2_880, 3_840]
    assert all(packet.time_base == pytest.approx(1 / 48_000) for packet in packets)


async def test_sound_goes_through_and_silence_is_between(ear):
    pcm = tone(0.1)
    for first in range(0, len(pcm), 2 * FRAME):
        ear.track.media(pcm[first : first + 2 * FRAME])
    assert [ear.loud() for _ in range(8)] == [True] * 6 + [False] * 2  # Opus comes 6.5 ms late


async def test_a_short_frame_is_filled_up_and_a_long_one_cut(ear):
    ear.track.media(b"\0\0")
    ear.track.media(tone(1))
    assert [len(ear.hear()) for _ in range(2)] == [960, 960]


async def test_marks_come_back_in_order_once_the_delay_is_over(ear):
    ear.track.measured(0)
    ear.track.media(SILENCE)
    ear.track.mark("a")
    ear.track.media(SILENCE)
    ear.track.mark("b")
    ear.hear()
    assert ear.returned == []
    ear.hear()
    async with asyncio.timeout(5):
        while len(ear.returned) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    assert ear.returned == [("a", False), ("b", False)]


async def test_a_mark_is_heard_its_packets_length_and_the_measured_delay_after_it_left(ear):
    ear.track.measured(0.3)
    ear.track.mark("now")  # nothing waits before it
    timer = ear.track._in_ear["now"]
    assert timer.when() - asyncio.get_running_loop().time() == pytest.approx(0.32, abs=0.01)


@pytest.mark.parametrize(("told", "taken"), [(-1.0, 0.0), (0.25, 0.25), (99.0, 1.0)])
async def test_a_delay_that_cannot_be_is_held_within_bounds(ear, told, taken):
    ear.track.measured(told)
    assert ear.track.delay_s == taken


async def test_a_clear_takes_back_what_waits_and_every_mark(ear):
    ear.track.media(tone(0.02))
    ear.track.mark("gone")
    ear.hear()  # it has left, and is in the browser's buffer
    for name in "ab":
        ear.track.media(tone(0.02))
        ear.track.mark(name)
    ear.track.clear()
    assert ear.returned == [("gone", True), ("a", True), ("b", True)]
    assert not ear.track._waiting
    assert not ear.track._in_ear


async def test_what_comes_faster_than_it_leaves_is_dropped_the_oldest_first(ear):
    for _ in range(500):
        ear.track.media(SILENCE)
    assert len(ear.track._waiting) == 100
    assert ear.track.dropped == 400
    ear.track.mark("no room")
    assert ear.returned == [("no room", True)]


async def test_it_keeps_the_pace(ear):
    loop = asyncio.get_running_loop()
    began = loop.time()
    for _ in range(11):
        await ear.track.recv()
    assert 0.2 <= loop.time() - began < 1


async def test_a_track_that_was_stopped_is_silent_for_good(ear):
    ear.track.media(SILENCE)
    ear.track.mark("a")
    ear.track.stop()
    with pytest.raises(MediaStreamError):
        await ear.track.recv()
    assert ear.returned == []
