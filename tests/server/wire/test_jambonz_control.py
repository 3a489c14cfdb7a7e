"""jambonz' call control: reading its messages, and the answers, commands and verbs as feature-server reads them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import WireError
from server.wire import MESSAGE_LIMIT
from server.wire.jambonz_control import Control, ack, dial_verbs, listen_verbs, press, read_control, redirect


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (
            {"type": "session:new", "msgid": "m1", "call_sid": "c1", "b3": "0", "data": {"call_sid": "c1"}},
            Control("session:new", "m1", "c1"),
        ),
        ({"type": "session:new", "msgid": "m1", "data": {"call_sid": "c1"}}, Control("session:new", "m1", "c1")),
        (
            {"type": "verb:hook", "msgid": "m2", "call_sid": "c1", "hook": "/jambonz/after", "data": {}},
            Control("verb:hook", "m2", "c1", "/jambonz/after"),
        ),
        ({"type": "call:status", "msgid": None, "call_sid": "c1", "data": [1]}, Control("call:status", "", "c1")),
        ({"type": "novelty", "hook": {"url": "x"}}, Control("novelty")),
    ],
)
def test_messages_are_read_leniently(frame, expected):
    assert read_control(json.dumps(frame)) == expected


@pytest.mark.parametrize(
    "broken", [b"{}", "", "{", "[]", "{}", '{"type":7}', "\ud800", "[" * 100_000, " " * (MESSAGE_LIMIT + 1)]
)
def test_what_is_no_control_message_is_refused(broken):
    with pytest.raises(WireError):
        read_control(broken)


@given(st.one_of(st.text(), st.binary()))
def test_anything_gives_a_message_or_a_wire_error(noise):
    with pytest.raises(WireError):
        read_control(noise)


def test_acks():
    assert ack("m1") == '{"type":"ack","msgid":"m1"}'
    assert ack("m1", [{"verb": "hangup"}]) == '{"type":"ack","msgid":"m1","data":[{"verb":"hangup"}]}'


def test_commands():
    assert json.loads(redirect("c1", [{"verb": "hangup"}])) == {
        "type": "command",
        "command": "redirect",
        "queueCommand": False,
        "call_sid": "c1",
        "callSid": "c1",
        "data": [{"verb": "hangup"}],
    }
    pressed = json.loads(press("c1", "#"))
    assert (pressed["command"], pressed["data"]) == ("dtmf", {"dtmf": {"digit": "#", "duration": 250}})


def test_listen_asks_for_one_channel_both_ways_at_one_rate():
    answer, listen, hangup = listen_verbs("wss://h/a", 16_000, {"token": "t"}, action_hook="/after")
    assert (answer, hangup) == ({"verb": "answer"}, {"verb": "hangup"})
    assert listen == {
        "verb": "listen",
        "url": "wss://h/a",
        "sampleRate": 16_000,
        "mixType": "mono",
        "passDtmf": True,
        "bidirectionalAudio": {"enabled": True, "streaming": True, "sampleRate": 16_000},
        "metadata": {"token": "t"},
        "actionHook": "/after",
    }
    listen = listen_verbs("wss://h/a", 8_000, {}, action_hook="/after", user="u", password="p")[1]
    assert listen["wsAuth"] == {"username": "u", "password": "p"}


def test_dial():
    assert dial_verbs("+15550199") == [{"verb": "dial", "target": [{"type": "phone", "number": "+15550199"}]}]
    assert dial_verbs("sip:desk@example.com") == [
        {"verb": "dial", "target": [{"type": "sip", "sipUri": "sip:desk@example.com"}]}
    ]


@pytest.mark.parametrize(
    ("told", "tag"),
    [
        ({"outbound": "x", "agent": "desk", "n": 5}, {"outbound": "x", "agent": "desk"}),
        ("x", {}),
        (None, {}),
        ([1], {}),
    ],
)
def test_the_tag_of_a_call_that_we_placed_comes_back(told, tag):
    message = json.dumps({"type": "session:new", "msgid": "m", "call_sid": "c", "data": {"customerData": told}})
    assert read_control(message).tag == tag
