"""Twilio's codec: every message both ways as the documentation writes it, and everything else."""

import base64
import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import events as ev
from pipelines.errors import WireError
from pipelines.frames import TELEPHONE, AudioFormat, Encoding
from server.wire import MESSAGE_LIMIT, Stream
from server.wire.twilio import TwilioWire

SID = "MZ18ad3ab5a668481ce02b83e7395059f0"
CALL = "CA00000000000000000000000000000001"
SECRET = "word-of-the-caller"

# As in https://www.twilio.com/docs/voice/media-streams/websocket-messages
CONNECTED = '{"event":"connected","protocol":"Call","version":"1.0.0"}'
START = json.dumps(
    {
        "event": "start",
        "sequenceNumber": "1",
        "start": {
            "accountSid": "AC" + "0" * 32,
            "streamSid": SID,
            "callSid": CALL,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"token": "t1", "caller": "+15550123", "called": "+15550100"},
        },
        "streamSid": SID,
    }
)


def message(event: str, **fields: object) -> str:
    return json.dumps({"event": event, "sequenceNumber": "4", "streamSid": SID} | fields)


def media(payload: object, **fields: object) -> str:
    return message("media", media={"track": "inbound", "chunk": "2", "timestamp": "40", "payload": payload} | fields)


def start(**changes: object) -> str:
    frame = json.loads(START)
    frame["start"] |= changes
    return json.dumps(frame)


def started(noted: Counter[str] | None = None) -> TwilioWire:
    wire = TwilioWire(lambda cause: noted.update([cause]) if noted is not None else None)
    wire.receive(CONNECTED)
    wire.receive(START)
    return wire


def test_a_call_from_connected_to_stop():
    wire = TwilioWire(pytest.fail)
    heard = [
        wire.receive(text)
        for text in (
            CONNECTED,
            START,
            media(base64.b64encode(b"\x00\xff\x7f").decode()),
            message("dtmf", dtmf={"track": "inbound_track", "digit": "#"}),
            message("mark", mark={"name": "r1:1"}),
            message("stop", stop={"accountSid": "AC0", "callSid": CALL}),
        )
    ]
    assert heard == [
        [],
        [ev.CallStarted(CALL, "twilio", TELEPHONE, TELEPHONE, "+15550123", "+15550100")],
        [ev.MediaReceived(b"\x00\xff\x7f", 40)],
        [ev.DigitReceived("#")],
        [ev.MarkReturned("r1:1")],
        [ev.CallEnded("caller")],
    ]
    parameters = {"token": "t1", "caller": "+15550123", "called": "+15550100"}
    assert wire.stream == Stream(CALL, parameters, SID)


def test_what_we_send_is_what_twilio_documents():
    wire = started()
    sent = [*wire.media(b"\xff" * 4), *wire.mark("r7:0042"), *wire.clear()]
    assert sent == [
        f'{{"event":"media","streamSid":"{SID}","media":{{"payload":"/////w=="}}}}',
        f'{{"event":"mark","streamSid":"{SID}","mark":{{"name":"r7:0042"}}}}',
        f'{{"event":"clear","streamSid":"{SID}"}}',
    ]


@given(st.binary(max_size=2_000), st.text(max_size=30), st.text(min_size=1, max_size=30))
def test_what_we_send_is_json_whatever_is_in_it(payload, name, sid):
    wire = TwilioWire()
    frame = json.loads(START)
    frame["streamSid"] = sid
    wire.receive(json.dumps(frame))
    sent = [json.loads(text) for text in (*wire.media(payload), *wire.mark(name), *wire.clear())]
    assert [frame["streamSid"] for frame in sent] == [sid] * 3
    assert base64.b64decode(sent[0]["media"]["payload"]) == payload
    assert sent[1]["mark"]["name"] == name


@pytest.mark.parametrize(
    ("encoding", "rate", "expected"),
    [
        ("audio/x-mulaw", 8_000, AudioFormat(Encoding.MULAW, 8_000)),
        ("audio/x-alaw", "8000", AudioFormat(Encoding.ALAW, 8_000)),
        ("audio/x-l16", 16_000, AudioFormat(Encoding.L16, 16_000)),
    ],
)
def test_the_format_is_read_and_not_assumed(encoding, rate, expected):
    frame = start(mediaFormat={"encoding": encoding, "sampleRate": rate, "channels": 1})
    [event] = TwilioWire().receive(frame)
    assert event.inbound == event.outbound == expected


@pytest.mark.parametrize(
    "change",
    [{"encoding": "audio/opus"}, {"sampleRate": 11_025}, {"channels": 2}],
)
def test_a_format_that_is_not_spoken_ends_the_stream(change):
    with pytest.raises(WireError, match="mu-law"):
        TwilioWire().receive(start(mediaFormat={"encoding": "audio/x-mulaw", "sampleRate": 8_000} | change))


def test_a_test_driver_without_stream_ids():
    """The frames of ServiceNow's EVA, which takes the place of a caller."""
    noted = Counter()
    wire = TwilioWire(lambda cause: noted.update([cause]))
    wire.receive('{"event":"connected","protocol":"voice-bench-v1","conversation_id":"c1"}')
    assert wire.receive('{"event":"start","conversation_id":"c1"}') == [
        ev.CallStarted("c1", "twilio", TELEPHONE, TELEPHONE)
    ]
    assert wire.receive('{"event":"media","conversation_id":"c1","media":{"payload":"/w=="}}') == [
        ev.MediaReceived(b"\xff", None)
    ]
    assert wire.receive('{"event":"user_speech_start","conversation_id":"c1","timestamp_ms":"17"}') == []
    assert wire.receive('{"event":"stop","conversation_id":"c1"}') == [ev.CallEnded("caller")]
    assert noted == {"unknown_event": 1}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "malformed"),
        ("{", "malformed"),
        ("null", "malformed"),
        ("[]", "malformed"),
        ("{}", "malformed"),
        ('{"event":7}', "malformed"),
        ('{"event":"media","streamSid":"\\ud800"}', "malformed"),
        ("\ud800", "malformed"),
        ('{"event":"media","x":' + "[" * 100_000, "malformed"),
        (media("@@@@"), "malformed"),
        (media("A"), "malformed"),
        (media("//=/"), "malformed"),
        (media("é"), "malformed"),
        (media(7), "malformed"),
        (media(None), "malformed"),
        (media("////", timestamp="-1"), "malformed"),
        (media("////", timestamp="now"), "malformed"),
        (media("////", timestamp=10**18), "malformed"),
        (message("media"), "malformed"),
        (message("mark"), "malformed"),
        (message("mark", mark={}), "malformed"),
        (message("dtmf", dtmf={"digit": "12"}), "malformed"),
        (message("dtmf", dtmf={"digit": "x"}), "malformed"),
        (message("dtmf"), "malformed"),
        (b"\x00\xff", "binary"),
        (message("user_speech_start", timestamp_ms=1), "unknown_event"),
        (message("novelty", media="of another type", start=12), "unknown_event"),
        (START, "second_start"),
        (media("////").replace(SID, "MZ9"), "unknown_stream"),
        (message("stop").replace(SID, "MZ9"), "unknown_stream"),
        (media("////", track="outbound"), "other_track"),
    ],
)
def test_what_is_passed_over_is_noted_by_its_cause(text, cause):
    noted = Counter()
    wire = started(noted)
    assert wire.receive(text) == []
    assert noted == {cause: 1}
    assert wire.receive(media("/w==")) == [ev.MediaReceived(b"\xff", 40)]


@pytest.mark.parametrize("early", [media("////"), message("mark", mark={"name": "a"}), message("stop")])
def test_nothing_counts_before_the_start(early):
    noted = Counter()
    wire = TwilioWire(lambda cause: noted.update([cause]))
    assert wire.receive(early) == []
    assert noted == {"before_start": 1}
    assert wire.stream is None
    assert [type(event) for event in wire.receive(START)] == [ev.CallStarted]


@pytest.mark.parametrize("broken", [start(callSid=""), start(callSid="C" * 129), start(callSid=None), start(callSid=5)])
def test_a_start_that_names_no_call_starts_none(broken):
    noted = Counter()
    wire = TwilioWire(lambda cause: noted.update([cause]))
    assert wire.receive(broken) == []
    assert (noted, wire.stream) == ({"malformed": 1}, None)


def test_the_twentieth_broken_message_ends_the_stream_and_says_nothing_of_it():
    wire = started()
    for n in range(19):
        assert wire.receive(b"\x00" if n % 2 else f'{{"{SECRET}') == []
    with pytest.raises(WireError) as caught:
        wire.receive(f'{{"event":"media","media":"{SECRET}"}}')
    assert SECRET not in str(caught.value)


def test_unknown_events_never_end_the_stream():
    wire = started()
    for _ in range(1_000):
        assert wire.receive('{"event":"user_speech_stop"}') == []


def test_a_message_beyond_the_limit_ends_the_stream():
    padding = " " * (MESSAGE_LIMIT - len(media("/w==")))
    assert started().receive(media("/w==") + padding)
    with pytest.raises(WireError, match="longer"):
        started().receive(media("/w==") + padding + " ")


# ---- marks


def test_marks_that_a_clear_brings_back_were_not_heard():
    wire = started()
    for name in ("a", "b", "c"):
        wire.mark(name)
    back = lambda name: wire.receive(message("mark", mark={"name": name}))  # noqa: E731
    assert back("a") == [ev.MarkReturned("a")]
    wire.clear()
    wire.mark("d")
    assert back("b") == [ev.MarkReturned("b", cleared=True)]
    assert back("c") == [ev.MarkReturned("c", cleared=True)]
    assert back("d") == [ev.MarkReturned("d")]
    wire.clear()  # nothing is outstanding now
    assert back("d") == [ev.MarkReturned("d")]


@given(st.lists(st.sampled_from(["mark", "clear", "return"]), max_size=60))
def test_a_mark_counts_as_cleared_exactly_if_it_was_out_at_a_clear(steps):
    wire, out, cleared, n = started(), [], set(), 0
    for step in steps:
        if step == "mark":
            n += 1
            wire.mark(f"m{n}")
            out.append(f"m{n}")
        elif step == "clear":
            wire.clear()
            cleared |= set(out)
        elif out:
            name = out.pop(0)
            assert wire.receive(message("mark", mark={"name": name})) == [
                ev.MarkReturned(name, cleared=name in cleared)
            ]


def test_a_peer_that_never_returns_marks_costs_little():
    wire = started()
    for n in range(2_000):
        wire.mark(f"m{n}")
        if n % 7 == 0:
            wire.clear()
    assert len(wire._outstanding) + len(wire._cleared) <= 512


# ---- anything


@given(st.one_of(st.text(), st.binary()), st.booleans())
def test_any_message_gives_a_list_of_events(noise, after_start):
    wire = started() if after_start else TwilioWire()
    assert isinstance(wire.receive(noise), list)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FIELDS = st.fixed_dictionaries(
    {"event": st.sampled_from(["connected", "start", "media", "mark", "dtmf", "stop", "novelty"])},
    optional={key: JSON for key in ("start", "media", "mark", "dtmf", "conversation_id")}
    | {"streamSid": st.just(SID) | JSON},
)


@given(st.lists(FIELDS, max_size=30), st.booleans())
def test_any_json_in_our_fields_gives_events_or_a_wire_error(frames, after_start):
    wire = started() if after_start else TwilioWire()
    try:
        for frame in frames:
            for event in wire.receive(json.dumps(frame)):
                assert isinstance(event, ev.Event)
    except WireError:
        pass
