"""What a listener hears is what both parties hear, in step, and he never holds up a call."""

import io
import wave

import numpy as np

from pipelines.actions import ClearMedia, SendMedia
from pipelines.events import CallEnded, DigitReceived, MediaReceived
from pipelines.frames import TELEPHONE, AudioFormat, Encoding
from server.console.listening import Listening, wav_header

LINEAR = AudioFormat(Encoding.L16, 8_000)


def frame(value: int, samples: int = 160) -> bytes:
    return np.full(samples, value, "<i2").tobytes()


async def heard(listening: Listening) -> np.ndarray:
    """(n, 2): all there was, once the call is over."""
    return np.frombuffer(b"".join([piece async for piece in listening]), "<i2").reshape(-1, 2)


async def test_both_sides_are_in_step():
    listening = Listening(LINEAR, LINEAR)
    listening(0, MediaReceived(frame(1)), [])
    listening(20_000, MediaReceived(frame(2)), [SendMedia(frame(11)), SendMedia(frame(12))])
    for at in (3, 4, 5):
        listening(at * 20_000, MediaReceived(frame(at)), [])
    listening(100_000, CallEnded("caller"), [])
    sound = await heard(listening)
    assert sound[::160].tolist() == [[1, 0], [2, 0], [3, 11], [4, 12], [5, 0]]
    assert len(sound) == 5 * 160


async def test_what_is_cleared_is_not_heard():
    listening = Listening(LINEAR, LINEAR)
    listening(0, MediaReceived(frame(1)), [SendMedia(frame(11)), SendMedia(frame(12))])
    listening(1, DigitReceived("1"), [ClearMedia(), SendMedia(frame(13))])
    listening(2, MediaReceived(frame(2)), [])
    listening(3, CallEnded("caller"), [])
    assert (await heard(listening))[::160].tolist() == [[1, 0], [2, 13]]


async def test_a_listener_who_is_slow_misses_the_oldest():
    listening = Listening(LINEAR, LINEAR)
    for at in range(150):
        listening(at, MediaReceived(frame(at)), [])
    listening.close()
    sound = await heard(listening)
    assert (len(sound), listening.missed) == (100 * 160, 50)
    assert sound[0, 0] == 50


async def test_the_telephones_own_coding_and_two_rates():
    listening = Listening(TELEPHONE, AudioFormat(Encoding.L16, 16_000))
    listening(0, DigitReceived("1"), [SendMedia(frame(700, 320))])
    listening(1, MediaReceived(b"\xff" * 160), [])
    listening.close()
    sound = await heard(listening)
    assert sound.shape == (160, 2)
    assert set(sound[:, 1]) == {700}
    assert set(sound[:, 0]) == {0}


def test_the_header_is_one_that_players_take():
    with wave.open(io.BytesIO(wav_header(8_000) + bytes(8))) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8_000, 2)
