"""Overlaps, silences, interruptions and tools of recorded calls."""

import pytest

from pipelines import events as ev
from pipelines.analysis.exchange import interruptions, overlaps, silences, tools
from pipelines.analysis.voices import voices
from pipelines.replay.dump import Dump, read_dump
from tests.golden.behaviours import FOLDER
from tests.helpers.analysis import recorded
from tests.helpers.bench import Bench
from tests.helpers.replay import two_parties


def golden(name: str) -> Dump:
    return read_dump(FOLDER / name)


@pytest.mark.parametrize(
    ("name", "came_in", "floor", "taken_for"),
    [
        ("interruption", "caller", "caller", "barge_in"),
        ("backchannel", "caller", "agent", "backchannel"),
        ("false_interruption", "caller", "agent", "false_interruption"),
        ("monologue", "agent", "agent", ""),
    ],
)
def test_who_came_in_and_who_got_the_floor(name, came_in, floor, taken_for):
    dump = golden(name)
    (found,) = overlaps(dump, voices(dump))
    assert (found.came_in, found.floor, found.taken_for) == (came_in, floor, taken_for)


def test_an_overlap_is_as_long_as_both_spoke():
    dump = two_parties()
    (found,) = overlaps(dump, voices(dump))
    assert (found.start, found.seconds) == (27.4, 0.5)


def test_each_verdict_is_of_one_overlap():
    speech = ((3.0, 4.0), (5.1, 5.25), (5.8, 7.0))
    words = ("What are your hours?", "Mm-hmm.", "And on Sunday, please?")
    dump = recorded(Bench(speech=speech, words=words).run(10))
    assert [found.taken_for for found in overlaps(dump, voices(dump))] == ["backchannel", "barge_in"]


def test_silences_say_who_let_them_be_and_who_ended_them():
    dump = golden("silence")
    found = list(silences(dump, voices(dump)))
    assert [(one.after, one.broken_by) for one in found] == [("agent", "agent")] * 3 + [("agent", "")]
    assert all(one.seconds >= 1 for one in found)
    assert found[0].seconds == pytest.approx(8.08, abs=0.05)


def test_hold_music_is_no_silence():
    dump = golden("hold_music")
    heard = voices(dump)
    (music,) = heard.music
    for one in silences(dump, heard):
        assert one.start + one.seconds <= music.start / 1e6 or one.start >= music.end / 1e6


def test_a_call_that_nobody_spoke_in_is_one_silence():
    dump = Dump(two_parties().meta, (two_parties().steps[0], two_parties().steps[-1]))
    (found,) = silences(dump, voices(dump))
    assert (found.start, found.after, found.broken_by) == (0, "", "")


def test_an_interruption_says_what_was_heard_and_what_was_not():
    (found,) = interruptions(golden("interruption"))
    assert (found.by, found.heard, found.unheard) == (
        "caller",
        "We are open from",
        "eight to six. On Saturday until noon.",
    )
    assert found.at == pytest.approx(5.5, abs=0.05)
    assert found.yielded_s == 0.227
    assert not found.resumed


def test_a_murmur_that_silenced_the_agent_was_no_turn():
    (found,) = interruptions(golden("murmur_gone_on_after"))
    assert found.resumed


def test_the_agent_cuts_in_on_a_monologue():
    (found,) = interruptions(golden("monologue"))
    assert (found.by, found.yielded_s) == ("agent", None)


@pytest.mark.parametrize("name", ["answer", "backchannel", "false_interruption", "draft_dropped", "keys"])
def test_what_did_not_take_the_floor_is_no_interruption(name):
    assert not list(interruptions(golden(name)))


def test_tools_by_time_with_their_outcome():
    bench = Bench()
    bench.post(3.0, ev.ToolStarted(1, "look", '{"day": "Monday"}'))
    bench.post(3.2, ev.ToolStarted(1, "look", '{"day": "Tuesday"}'))
    bench.post(3.3, ev.ToolFinished(1, "look", "none", failed=True))
    bench.post(3.9, ev.ToolFinished(1, "look", "three"))
    bench.post(4.0, ev.ToolStarted(1, "book"))
    found = list(tools(recorded(bench.run(6))))
    assert [(call.tool, call.arguments, call.outcome) for call in found] == [
        ("look", '{"day": "Monday"}', "failed"),
        ("look", '{"day": "Tuesday"}', "finished"),
        ("book", "{}", "unfinished"),
    ]
    assert [(call.at, call.seconds) for call in found[:2]] == [(3.0, 0.3), (3.2, 0.7)]
    assert found[2].seconds == pytest.approx(2, abs=0.05)
