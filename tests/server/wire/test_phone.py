"""The browser phone's messages."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import events as ev
from pipelines.errors import WireError
from server.wire import MESSAGE_LIMIT
from server.wire.phone import FORMAT, PhoneWire

START = '{"type":"start","call_id":"c1","token":"t","agent":"desk","later":1}'


def noted() -> tuple[PhoneWire, list[str]]:
    notes: list[str] = []
    return PhoneWire(notes.append), notes


def started() -> PhoneWire:
    wire = PhoneWire()
    wire.receive(START)
    return wire


def test_a_start_begins_a_call_and_brings_its_ticket():
    wire = PhoneWire()
    assert wire.receive(START) == [ev.CallStarted("c1", "phone", FORMAT, FORMAT)]
    assert (wire.stream.call_id, wire.stream.parameters) == ("c1", {"token": "t", "agent": "desk"})


@given(st.lists(st.binary(min_size=2, max_size=2_000).filter(lambda b: len(b) % 2 == 0)))
def test_sound_comes_through_as_it_is_both_ways(frames):
    wire = started()
    events = [event for frame in frames for event in wire.receive(frame)]
    assert events == [ev.MediaReceived(frame) for frame in frames]
    assert [message for frame in frames for message in wire.media(frame)] == frames


@pytest.mark.parametrize("digit", "0123456789*#ABCD")
def test_keys(digit):
    assert started().receive(json.dumps({"type": "digit", "digit": digit})) == [ev.DigitReceived(digit)]


def test_a_mark_comes_back_once():
    wire = started()
    (mark,) = wire.mark("r1:7")
    assert wire.receive(mark) == [ev.MarkReturned("r1:7")]
    assert wire.receive(mark) == []


def test_a_cleared_mark_was_not_heard():
    wire = started()
    wire.mark("r1:7")
    assert [json.loads(message) for message in wire.clear()] == [{"type": "clear"}]
    assert wire.receive('{"type":"mark","name":"r1:7","cleared":true}') == [ev.MarkReturned("r1:7", cleared=True)]


def test_marks_of_a_page_that_returns_none_are_forgotten():
    wire = started()
    for n in range(1_000):
        wire.mark(str(n))
    assert len(wire._out) == 256
    assert wire.receive('{"type":"mark","name":"0"}') == []
    assert wire.receive('{"type":"mark","name":"999"}') == [ev.MarkReturned("999")]


def test_the_caller_hangs_up():
    assert started().receive('{"type":"hangup"}') == [ev.CallEnded("caller")]


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ('{"type":"digit","digit":"1"}', "before_start"),
        ('{"type":"hangup"}', "before_start"),
        ("{", "malformed"),
        ("[" * 100_000, "malformed"),
        ('{"type":"start"}', "malformed"),
        ('{"type":"start","call_id":""}', "malformed"),
        ('{"type":"other"}', "malformed"),
        ('"\\ud800"', "malformed"),
    ],
)
def test_what_makes_no_sense_is_passed_over_and_noted(message, cause):
    wire, notes = noted()
    assert wire.receive(message) == []
    assert notes == [cause]


@pytest.mark.parametrize("message", ['{"type":"digit","digit":"12"}', '{"type":"digit","digit":""}', b"\0\0\0"])
def test_broken_messages_in_a_call(message):
    wire, notes = noted()
    wire.receive(START)
    assert wire.receive(message) == []
    assert notes == ["malformed"]


def test_sound_before_the_start_is_nobodys_and_no_fault():
    wire, notes = noted()
    assert wire.receive(b"\0\0") == []
    assert notes == []


def test_a_second_start_changes_nothing():
    wire, notes = noted()
    wire.receive(START)
    assert wire.receive(START.replace("c1", "c2")) == []
    assert (wire.stream.call_id, notes) == ("c1", ["second_start"])


def test_twenty_broken_messages_end_it():
    wire = started()
    for _ in range(19):
        wire.receive("{")
    with pytest.raises(WireError):
        wire.receive("{")


@pytest.mark.parametrize("message", ["x" * (MESSAGE_LIMIT + 1), b"x" * (MESSAGE_LIMIT + 1)])
def test_too_long_a_message_ends_it(message):
    with pytest.raises(WireError, match="longer"):
        started().receive(message)


@given(st.one_of(st.text(max_size=200), st.binary(max_size=200)))
def test_nothing_raises_anything_else(message):
    for wire in (PhoneWire(), started()):
        assert all(isinstance(event, ev.Event) for event in wire.receive(message))
