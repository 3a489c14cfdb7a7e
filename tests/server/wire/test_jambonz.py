"""jambonz' audio socket: every message both ways, the thirty marks, and everything else."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import events as ev
from pipelines.errors import WireError
from pipelines.frames import AudioFormat, Encoding
from server.wire import MESSAGE_LIMIT
from server.wire.jambonz import MAX_MARKS, JambonzAudioWire

METADATA = {
    "callSid": "0b5cf8a5-6d4e-4b6c-9f0b-0c39ad7f1d53",
    "callId": "9f6b8b3c",
    "from": "+15550123",
    "to": "+15550100",
    "direction": "inbound",
    "accountSid": "a1",
    "applicationSid": "b1",
    "traceId": "c1",
    "sampleRate": 16_000,
    "mixType": "mono",
    "sip": {"headers": {}},
    "token": "t1",
}


def started(noted: Counter[str] | None = None) -> JambonzAudioWire:
    wire = JambonzAudioWire(24_000, lambda cause: noted.update([cause]) if noted is not None else None)
    wire.receive(json.dumps(METADATA))
    return wire


def mark(name: object, event: str = "playout") -> str:
    return json.dumps({"type": "mark", "data": {"name": name, "event": event}})


def test_a_call_as_jambonz_sends_it():
    wire = JambonzAudioWire(24_000, pytest.fail)
    heard = [
        wire.receive(text)
        for text in (
            json.dumps(METADATA),
            b"\x01\x00\x02\x00",
            '{"event":"dtmf","dtmf":"5","duration":"1600"}',
            mark("r1:1"),
            mark("r1:2", "cleared"),
            '{"type":"playDone","data":{"id":"x"}}',
        )
    ]
    inbound, outbound = AudioFormat(Encoding.L16, 16_000), AudioFormat(Encoding.L16, 24_000)
    assert heard == [
        [ev.CallStarted(METADATA["callSid"], "jambonz", inbound, outbound, "+15550123", "+15550100")],
        [ev.MediaReceived(b"\x01\x00\x02\x00")],
        [ev.DigitReceived("5")],
        [ev.MarkReturned("r1:1")],
        [ev.MarkReturned("r1:2", cleared=True)],
        [],
    ]
    assert wire.stream.call_id == METADATA["callSid"]
    assert wire.stream.parameters["token"] == "t1"


def test_what_we_send_is_what_lws_glue_reads():
    wire = started()
    assert [*wire.media(b"\x01\x00"), *wire.mark("r7:0042"), *wire.clear(), *wire.disconnect()] == [
        b"\x01\x00",
        '{"type":"mark","data":{"name":"r7:0042"}}',
        '{"type":"killAudio"}',
        '{"type":"disconnect"}',
    ]


@given(st.text(max_size=40))
def test_a_mark_is_json_whatever_its_name(name):
    assert json.loads(started().mark(name)[0])["data"]["name"] == name


@given(st.binary(max_size=400), st.lists(st.integers(0, 9), max_size=60))
def test_samples_are_put_together_however_they_are_cut(audio, cuts):
    wire, got, rest = started(), b"", audio
    for cut in [*cuts, len(audio)]:
        piece, rest = rest[:cut], rest[cut:]
        for event in wire.receive(piece):
            assert len(event.payload) % 2 == 0
            got += event.payload
    assert got == audio[: len(audio) & ~1]


@pytest.mark.parametrize("rate", [8_000, "8000", 16_000, 24_000, 8_000.0])
def test_the_rate_is_read_and_not_assumed(rate):
    [event] = JambonzAudioWire(8_000).receive(json.dumps(METADATA | {"sampleRate": rate}))
    assert event.inbound.sample_rate == int(rate)
    assert type(event.inbound.sample_rate) is int


@pytest.mark.parametrize("change", [{"sampleRate": 64_000}, {"sampleRate": 0}, {"mixType": "stereo"}])
def test_a_format_that_is_not_spoken_ends_the_stream(change):
    with pytest.raises(WireError, match="one channel"):
        JambonzAudioWire(8_000).receive(json.dumps(METADATA | change))


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "malformed"),
        ("[]", "malformed"),
        ("\ud800", "malformed"),
        ("[" * 100_000, "malformed"),
        ('{"type":"mark"}', "malformed"),
        (mark(5), "malformed"),
        ('{"event":"dtmf","dtmf":5}', "malformed"),
        ('{"event":"dtmf","dtmf":"55"}', "malformed"),
        ('{"type":"novelty"}', "unknown_event"),
        ('{"type":["mark"]}', "unknown_event"),
        (json.dumps(METADATA), "second_start"),
    ],
)
def test_what_is_passed_over_is_noted_by_its_cause(text, cause):
    noted = Counter()
    wire = started(noted)
    assert wire.receive(text) == []
    assert noted == {cause: 1}
    assert wire.receive(b"\x00\x00") == [ev.MediaReceived(b"\x00\x00")]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        (b"\x00\x00", "before_start"),
        (mark("a"), "before_start"),
        ('{"event":"dtmf","dtmf":"5"}', "before_start"),
        ("{}", "malformed"),
        ('{"callSid":""}', "malformed"),
        ('{"callSid":["x"]}', "malformed"),
        ('{"callSid":"c","sampleRate":"fast"}', "malformed"),
    ],
)
def test_nothing_counts_before_the_metadata(text, cause):
    noted = Counter()
    wire = JambonzAudioWire(8_000, lambda cause: noted.update([cause]))
    assert wire.receive(text) == []
    assert (noted, wire.stream) == ({cause: 1}, None)
    assert wire.receive(json.dumps(METADATA))


def test_the_twentieth_broken_message_ends_the_stream():
    wire = started()
    for _ in range(19):
        wire.receive("{")
    with pytest.raises(WireError, match="20 broken"):
        wire.receive("{")


@pytest.mark.parametrize("letter", ["x", b"x"])
def test_a_message_beyond_the_limit_ends_the_stream(letter):
    with pytest.raises(WireError, match="longer"):
        started().receive(letter * (MESSAGE_LIMIT + 1))


# ---- marks


def test_the_thirty_first_mark_is_withheld_until_one_returns():
    noted = Counter()
    wire = started(noted)
    sent = [wire.mark(f"m{n}") for n in range(MAX_MARKS + 3)]
    assert [bool(messages) for messages in sent] == [True] * MAX_MARKS + [False] * 3
    assert noted == {"mark_withheld": 3}
    wire.receive(mark("m0"))
    assert wire.mark("next")
    assert not wire.mark("one more")


def test_a_mark_that_returns_makes_up_for_older_ones_that_were_lost():
    wire = started()
    for n in range(MAX_MARKS):
        wire.mark(f"m{n}")
    wire.receive(mark("m9"))
    assert sum(bool(wire.mark(f"n{n}")) for n in range(MAX_MARKS)) == 10


def test_a_clear_leaves_no_mark_outstanding_whether_or_not_they_come_back():
    wire = started()
    for n in range(MAX_MARKS):
        wire.mark(f"m{n}")
    wire.clear()
    assert wire.mark("after")
    assert wire.receive(mark("m5", "cleared")) == [ev.MarkReturned("m5", cleared=True)]
    assert sum(bool(wire.mark(f"n{n}")) for n in range(MAX_MARKS)) == MAX_MARKS - 1


@given(st.lists(st.one_of(st.just("mark"), st.just("clear"), st.integers(0, 40)), max_size=150))
def test_never_more_than_thirty_marks_are_at_jambonz(steps):
    wire, there, n = started(), [], 0
    for step in steps:
        if step == "mark":
            n += 1
            there += [json.loads(text)["data"]["name"] for text in wire.mark(f"m{n}")]
        elif step == "clear":
            wire.clear()
            there.clear()
        elif step < len(there):
            del there[:step]  # these were lost on the way
            wire.receive(mark(there.pop(0)))
        assert len(there) <= MAX_MARKS


# ---- anything

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
KEYS = ("type", "event", "data", "dtmf", "callSid", "sampleRate", "mixType", "from")


@given(st.one_of(st.text(), st.binary()), st.booleans())
def test_any_message_gives_a_list_of_events(noise, after_start):
    wire = started() if after_start else JambonzAudioWire(8_000)
    assert isinstance(wire.receive(noise), list)


@given(st.lists(st.fixed_dictionaries({}, optional=dict.fromkeys(KEYS, JSON)), max_size=30), st.booleans())
def test_any_json_in_our_fields_gives_events_or_a_wire_error(frames, after_start):
    wire = started() if after_start else JambonzAudioWire(8_000)
    try:
        for frame in frames:
            for event in wire.receive(json.dumps(frame)):
                assert isinstance(event, ev.Event)
    except WireError:
        pass
