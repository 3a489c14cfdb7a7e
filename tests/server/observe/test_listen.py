"""The WAV of a call: each side on its channel, at its time, and only what was heard."""

import numpy as np
import pytest
import soundfile

from pipelines.actions import ClearMedia, SendMedia
from pipelines.events import CallEnded, DeadlineReached, MediaReceived
from pipelines.frames import TELEPHONE, AudioFormat, Encoding
from pipelines.replay.dump import Dump, Step
from server.observe.listen import both_sides, said, write_wav
from tests.helpers.replay import meta, started, two_parties

LOUD, QUIET = b"\x00" * 160, b"\xff" * 160  # mu-law: full scale, silence


def call(*steps: Step, **formats) -> Dump:
    return Dump(meta(**formats), (Step(0, started(), ()), *steps, Step(1_000_000, CallEnded("caller"), ())))


def loud(samples) -> list[tuple[int, int]]:
    """Stretches of sound, in milliseconds."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], (np.abs(samples) > 1_000).astype(np.int8), [0]])))
    return [(int(first) // 8, int(last) // 8) for first, last in edges.reshape(-1, 2)]


def test_agent_is_where_the_ear_heard_him():
    sent = Step(100_000, DeadlineReached("playout"), (SendMedia(LOUD), SendMedia(LOUD), SendMedia(LOUD)))
    cleared = Step(130_000, DeadlineReached("overlap"), (ClearMedia(),))
    _, agent, rate = both_sides(call(sent, cleared))
    assert rate == 8_000
    assert len(agent) == 8_000
    assert loud(agent) == [(100, 130)]


def test_caller_is_where_he_spoke_whatever_the_network_did():
    """Late and swapped packets land at their timestamps; the least delayed one puts the zero."""
    packets = [(35_000, 0, QUIET), (90_000, 40, LOUD), (91_000, 20, QUIET), (95_000, 60, LOUD), (300_000, 240, LOUD)]
    steps = [Step(at, MediaReceived(payload, timestamp), ()) for at, timestamp, payload in packets]
    caller, _, _ = both_sides(call(*steps))
    origin = 35_000 - 20_000
    assert said(call(*steps))[0].at == origin
    assert loud(caller) == [(55, 95), (255, 275)]


def test_packets_without_timestamps_are_end_to_end():
    steps = [Step(at, MediaReceived(LOUD), ()) for at in (20_000, 75_000, 76_000)]
    caller, _, _ = both_sides(call(*steps))
    assert loud(caller) == [(0, 60)]


@pytest.mark.parametrize("timestamp", [10**12, 10**6])
def test_a_wild_timestamp_costs_nothing(timestamp):
    steps = [Step(20_000, MediaReceived(LOUD, 0), ()), Step(40_000, MediaReceived(LOUD, timestamp), ())]
    caller, _, _ = both_sides(call(*steps))
    assert len(caller) == 8_000


def test_two_rates_meet_at_the_higher_one():
    wide = AudioFormat(Encoding.L16, 16_000)
    sent = Step(500_000, DeadlineReached("playout"), (SendMedia(b"\x00\x40" * 320),))
    heard = Step(120_000, MediaReceived(LOUD, 0), ())
    caller, agent, rate = both_sides(call(heard, sent, inbound=TELEPHONE, outbound=wide))
    assert rate == 16_000
    assert loud(agent[::2]) == [(500, 520)]
    assert loud(caller[::2]) == [(100, 120)]


def test_the_file_has_the_caller_left_and_the_agent_right(tmp_path):
    dump = two_parties()
    write_wav(dump, tmp_path / "call.wav")
    stereo, rate = soundfile.read(tmp_path / "call.wav", dtype="int16")
    caller, agent, _ = both_sides(dump)
    assert rate == 8_000
    assert np.array_equal(stereo[:, 0], caller)
    assert np.array_equal(stereo[:, 1], agent)
    level = np.abs(stereo[8 * 15_000 : 8 * 19_000].astype(float)).mean(0)  # the caller spells, the agent listens
    assert level[0] > 20 * level[1]
