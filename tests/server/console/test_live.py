"""Calls under way through the console: lines that echo, which need no weights, and an operator who asks over HTTP."""

import asyncio
import base64
import json
import re
from contextlib import asynccontextmanager

from pipelines import actions as do
from pipelines import events as ev
from tests.server.console.test_hostile import EVIL

TURN = do.Turn("agent", "At nine, or at half past ten?", "At nine", 2.0, 3.0, 0.48, {"stt": 0.48}, "en", True)


@asynccontextmanager
async def calling(operator, caller="+33612345678", **parameters):
    """(the call's session, its live facts, the carrier's socket) of a call that has begun."""
    async with operator.http.post("/twilio/voice", data={"CallSid": "CA1", "From": caller, "To": "+1999"}) as response:
        token = re.search(r'name="token" value="([^"]+)"', await response.text()).group(1)
    async with operator.http.ws_connect("/twilio/media") as socket:
        told = {"token": token, "caller": caller, "called": "+1999"}
        start = {"callSid": "CA1", "streamSid": "MZ1", "customParameters": told}
        await socket.send_json({"event": "start", "streamSid": "MZ1", "start": start})
        async with asyncio.timeout(10):
            while not operator.house.sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        [(session, live)] = operator.house.sessions.items()
        yield session, live, socket


async def media(socket, count: int, first: int = 0) -> None:
    payload = base64.b64encode(b"\x20" * 160).decode()
    for k in range(first, first + count):
        packet = {"track": "inbound", "chunk": str(k + 1), "timestamp": str(k * 20), "payload": payload}
        await socket.send_json({"event": "media", "sequenceNumber": str(k + 2), "streamSid": "MZ1", "media": packet})


async def told(content) -> dict | list:
    """The next server-sent event."""
    async with asyncio.timeout(10):
        while not (line := await content.readline()).startswith(b"data: "):
            assert line, "the stream is over"
        return json.loads(line[6:])


async def until_over(operator) -> None:
    async with asyncio.timeout(10):
        while operator.house.sessions:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_the_list_shows_who_calls_without_the_number(open_console):
    async with open_console() as operator, calling(operator) as (session, live, _):
        page = (await operator.get("/")).decode()
        assert f"/live/{session.name}" in page
        assert "•••678" in page
        assert "+3361234" not in page
        async with operator.http.get("/live/events") as stream:
            [row] = await told(stream.content)
            assert (row["name"], row["who"], row["agent"], row["carrier"]) == (session.name, "•••678", "line", "twilio")
            live(1, ev.DigitReceived("1"), [do.Observed("speech_started")])
            [row] = await told(stream.content)
            assert row["state"] == "hearing"


async def test_what_is_said_is_read_along(open_console):
    async with open_console() as operator, calling(operator) as (session, live, socket):
        live(3_000_000, ev.DeadlineReached("x"), [do.TurnTaken(TURN)])
        assert "At nine" not in (await operator.get(f"/live/{session.name}")).decode()  # that is the stream's
        async with operator.http.get(f"/live/{session.name}/events") as stream:
            assert stream.content_type == "text/event-stream"
            fact = await told(stream.content)
            assert (fact["fact"], fact["turn"]["heard"], fact["turn"]["gap"]) == ("taken", "At nine", 0.48)
            await told(stream.content)  # the state
            live(4_000_000, ev.DeadlineReached("x"), [do.CaptionUpdated("half past", "ten")])
            assert (await told(stream.content))["tentative"] == "ten"
            long = do.Turn("caller", "x" * 1_000_000, "x" * 1_000_000, 4.0, 5.0)
            live(5_000_000, ev.DeadlineReached("x"), [do.TurnTaken(long)])
            assert len((await told(stream.content))["turn"]["text"]) < 5_000
            await socket.close()
            while (await told(stream.content))["fact"] != "ended":
                pass
        await until_over(operator)
        assert await operator.get(f"/live/{session.name}/events", 204) == b""
        assert b"over" in await operator.get(f"/live/{session.name}", 404)


async def test_an_operator_listens_in_and_it_is_written_down(open_console):
    async with open_console() as operator, calling(operator) as (session, _, socket):
        async with operator.http.get(f"/live/{session.name}/sound.wav") as stream:
            assert stream.content_type == "audio/wav"
            assert (await stream.content.readexactly(44))[:4] == b"RIFF"
            await media(socket, 20)
            sound = await asyncio.wait_for(stream.content.readexactly(640 * 10), 10)
            assert any(sound[0::4])  # the caller
            await socket.close()
            rest = await asyncio.wait_for(stream.content.read(), 10)
            assert any((sound + rest)[3::4])  # his echo
        assert session._observers[-1] is not None
        await until_over(operator)
        assert [line["what"] for line in operator.audit] == ["listen_in"]
        assert operator.audit[0]["call"] == "CA1"


async def test_who_listens_leaves_no_observer_behind(open_console):
    async with open_console() as operator, calling(operator) as (session, _, socket):
        before = len(session._observers)
        async with operator.http.get(f"/live/{session.name}/sound.wav") as stream:
            await stream.content.readexactly(44)
            assert len(session._observers) == before + 1
        await media(socket, 400)  # he is gone, which shows when he is written to
        async with asyncio.timeout(10):
            while len(session._observers) > before:
                await media(socket, 5, 500)
                await asyncio.sleep(0.02)


async def test_a_note_reaches_the_call_and_its_words_are_not_written_down(open_console):
    async with open_console() as operator, calling(operator) as (session, _, _):
        seen = []
        session.attach(lambda at, event, actions: seen.append((event, actions)))
        await operator.post(f"/live/{session.name}/note", note="  She is a\n regular. ")
        assert (ev.NoteGiven("She is a regular."), [do.Notice("note", "She is a regular.", 1.0)]) in seen
        assert operator.audit == [
            {"who": "loopback", "what": "note", "call": "CA1", "dump": operator.audit[0]["dump"], "characters": 17}
        ]
        await operator.post(f"/live/{session.name}/note", 400, note=" ")
        await operator.post(f"/live/{session.name}/note", 400, note="x" * 1_001)


async def test_hanging_up(open_console):
    async with open_console() as operator, calling(operator) as (session, live, _):
        await operator.post(f"/live/{session.name}/hang-up")
        await until_over(operator)
        assert live.so_far()[-1].reason == "operator"
        assert [line["what"] for line in operator.audit] == ["hang_up"]
        await operator.post(f"/live/{session.name}/hang-up", 404)


async def test_transferring(open_console):
    async with open_console() as operator, calling(operator) as (session, live, _):
        for wrong in ("", "112", "+1 555", "tel:x", "+33123456789'"):
            await operator.post(f"/live/{session.name}/transfer", 400, number=wrong)
        assert operator.audit == []
        await operator.post(f"/live/{session.name}/transfer", number="+33123456789")
        await until_over(operator)
        assert live.so_far()[-1].reason == "transfer"
        assert operator.audit[0]["to"] == "•••789"
        async with operator.http.post("/twilio/after", data={"CallSid": "CA1"}) as response:
            assert "+33123456789" in await response.text()


async def test_a_number_that_an_agent_has_is_taken_as_it_is(open_console):
    async with open_console() as operator, calling(operator) as (session, live, _):
        assert 'value="4711"' in (await operator.get(f"/live/{session.name}")).decode()
        await operator.post(f"/live/{session.name}/transfer", number="4711")
        await until_over(operator)
        assert live.so_far()[-1].reason == "transfer"


async def test_without_an_audit_log_nothing_is_done(open_console, tmp_path):
    (tmp_path / "audit.jsonl").mkdir()
    async with open_console() as operator, calling(operator) as (session, _, _):
        assert "Nothing was done" in await operator.post(f"/live/{session.name}/hang-up", 503)
        assert b"Nothing was done" in await operator.get(f"/live/{session.name}/sound.wav", 503)
        assert operator.house.sessions


async def test_a_hostile_call_is_text(open_console):
    async with open_console() as operator, calling(operator, caller=EVIL) as (session, live, _):
        live.agent = live.call_id = live.carrier = EVIL
        live(1, ev.DeadlineReached("x"), [do.CaptionUpdated(EVIL, EVIL)])
        for path in ("/", f"/live/{session.name}"):
            page = (await operator.get(path)).decode()
            assert "<script>alert" not in page
            assert "<img" not in page
        async with operator.http.get(f"/live/{session.name}/events") as stream:
            line = await told(stream.content)
            assert line["committed"] == EVIL


async def test_a_call_that_is_over_comes_into_the_list_with_its_recording(open_console):
    async with open_console() as operator:
        async with calling(operator) as (_, live, socket):
            await media(socket, 50)
            name = live.dump
            assert b"under way" in await operator.get(f"/calls/{name}", 409)
            await operator.post(f"/calls/{name}/forget", 409)
        await until_over(operator)
        async with asyncio.timeout(20):
            while name not in (await operator.get("/")).decode():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
