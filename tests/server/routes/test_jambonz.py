"""jambonz' door, over real sockets on loopback: call control, its HTTP form, and the audio socket."""

import asyncio
import hashlib
import hmac
import json
import time

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError, encode_basic_auth
from pydantic import SecretStr
from structlog.testing import capture_logs

from pipelines import events as ev
from pipelines.frames import AudioFormat, Encoding
from tests.helpers.carriers import Served, serving

SECRET = "webhook secret"


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": encode_basic_auth(user, password)}


AUTH = basic("allo", "pass:word")
BASIC = {"jambonz": {"username": "allo", "password": SecretStr("pass:word")}}
HOOKED = {"jambonz": {"webhook_secret": SecretStr(SECRET)}}
BOTH = {"jambonz": BASIC["jambonz"] | HOOKED["jambonz"]}
WIDE = AudioFormat(Encoding.L16, 16_000)
HANG_UP = [{"verb": "hangup"}]
BUSY = [{"verb": "sip:decline", "status": 486, "reason": "Busy Here"}]
DIAL = [{"verb": "dial", "target": [{"type": "phone", "number": "+15550199"}]}]


def metadata(call_sid: str = "c1", **more: object) -> str:
    told = {"callSid": call_sid, "from": "+15550123", "to": "+15550100", "sampleRate": 16_000, "mixType": "mono"}
    return json.dumps(told | more)


async def controlled(served: Served, auth: dict[str, str] | None = None) -> ClientWebSocketResponse:
    socket = await served.http.ws_connect(f"{served.base}/jambonz", protocols=("ws.jambonz.org",), headers=auth)
    assert socket.protocol == "ws.jambonz.org"
    return socket


async def listened(
    served: Served, *messages: str | bytes, auth: dict[str, str] | None = None
) -> ClientWebSocketResponse:
    url = f"{served.base}/jambonz/audio"
    socket = await served.http.ws_connect(url, protocols=("audio.jambonz.org",), headers=auth, max_msg_size=0)
    assert socket.protocol == "audio.jambonz.org"
    for message in messages:
        await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
    return socket


async def ask(socket: ClientWebSocketResponse, kind: str, call_sid: str = "c1", **more: object) -> object:
    """Send a message that wants an ack; the ack's data."""
    msgid = f"m-{kind}"
    await socket.send_json({"type": kind, "msgid": msgid, "call_sid": call_sid, "data": {}} | more)
    reply = await socket.receive_json(timeout=5)
    assert (reply["type"], reply["msgid"]) == ("ack", msgid)
    return reply.get("data")


async def closed(socket: ClientWebSocketResponse) -> int | None:
    async with asyncio.timeout(5):
        while (await socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
            pass
    return socket.close_code


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    now = int(time.time())
    digest = hmac.new(secret.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    return {"Jambonz-Signature": f"t={now},v1={digest}", "Content-Type": "application/json"}


async def post(served: Served, path: str, body: object, headers: dict[str, str] | None = None):
    """(status, JSON or text) of a webhook."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    headers = headers if headers is not None else {"Content-Type": "application/json"}
    async with served.http.post(f"{served.base}/jambonz/{path}", data=raw, headers=headers) as response:
        text = await response.text()
        return response.status, json.loads(text) if response.content_type == "application/json" else text


def causes(logs: list[dict], event: str) -> list[str]:
    return [line["cause"] for line in logs if line["event"] == event]


# ---- call control


async def test_a_call_over_the_control_socket():
    async with serving(BASIC) as served:
        control = await controlled(served, AUTH)
        answer, listen, hangup = await ask(control, "session:new")
        assert (answer, [hangup]) == ({"verb": "answer"}, HANG_UP)
        assert listen["url"] == f"{served.websocket_base}/jambonz/audio"
        assert listen["wsAuth"] == {"username": "allo", "password": "pass:word"}
        assert listen["bidirectionalAudio"] == {"enabled": True, "streaming": True, "sampleRate": 16_000}
        assert listen["sampleRate"] == 16_000

        audio = await listened(served, metadata(**listen["metadata"]), auth=AUTH)
        await audio.send_bytes(b"\x01\x02" * 320)
        assert await audio.receive_bytes(timeout=5) == b"\x01\x02" * 320
        started = served.house.calls["c1"][0]
        assert started == ev.CallStarted("c1", "jambonz", WIDE, WIDE, "+15550123", "+15550100")

        await served.house.controls["c1"].transfer("+15550199")
        command = await control.receive_json(timeout=5)
        assert (command["command"], command["data"]) == ("redirect", DIAL)
        await served.house.controls["c1"].send_digits("5")
        command = await control.receive_json(timeout=5)
        assert command["data"] == {"dtmf": {"digit": "5", "duration": 250}}

        await audio.close()
        await served.until(lambda: served.house.ended)
        assert await ask(control, "verb:hook", hook="/jambonz/after") == HANG_UP
        await control.close()


@pytest.mark.parametrize("rate", [8_000, 16_000, 24_000])
async def test_audio_at_each_rate(rate):
    async with serving({"jambonz": {"sample_rate": rate}}) as served:
        control = await controlled(served)
        listen = (await ask(control, "session:new"))[1]
        assert listen["sampleRate"] == listen["bidirectionalAudio"]["sampleRate"] == rate
        audio = await listened(served, metadata(sampleRate=rate, **listen["metadata"]))
        await audio.send_bytes(b"\x01\x02")
        assert await audio.receive_bytes(timeout=5) == b"\x01\x02"
        started = served.house.calls["c1"][0]
        assert started.inbound == started.outbound == AudioFormat(Encoding.L16, rate)
        await audio.close()
        await control.close()


async def test_what_wants_an_ack_gets_one_and_what_does_not_gets_none():
    async with serving() as served:
        control = await controlled(served)
        for kind in ("call:status", "verb:status", "jambonz:error", "llm:event"):
            await control.send_json({"type": kind, "msgid": "x", "call_sid": "c1", "data": {"text": "+15550123"}})
        with capture_logs() as logs:
            assert await ask(control, "session:redirect") is None
            assert await ask(control, "dial:confirm") is None
            assert await ask(control, "verb:hook", hook="/another") is None
        assert served.house.ignored("jambonz", "unknown_event") == 1
        assert served.house._count("allo_facts_total", fact="stream_error") == 1
        assert "+15550123" not in repr(logs)
        await control.close()


async def test_a_control_socket_that_reconnects_takes_the_call_over():
    async with serving() as served:
        first = await controlled(served)
        listen = (await ask(first, "session:new"))[1]
        audio = await listened(served, metadata(**listen["metadata"]))
        await served.until(lambda: "c1" in served.house.controls)
        second = await controlled(served)
        assert await ask(second, "session:reconnect") is None
        await first.close()
        await served.house.controls["c1"].hang_up()
        assert (await second.receive_json(timeout=5))["data"] == HANG_UP
        await audio.close()
        await second.close()


async def test_a_socket_that_broke_before_our_verbs_were_read_gets_them_again():
    async with serving() as served:
        control = await controlled(served)
        verbs = await ask(control, "session:reconnect")
        audio = await listened(served, metadata(**verbs[1]["metadata"]))
        await served.until(lambda: "c1" in served.house.controls)
        await audio.close()
        await control.close()


async def test_without_a_control_socket_the_action_hook_says_what_is_next():
    async with serving() as served:
        status, verbs = await post(served, "voice", {"call_sid": "c1"})
        assert (status, verbs[1]["actionHook"]) == (200, "/jambonz/after")
        audio = await listened(served, metadata(**verbs[1]["metadata"]))
        await served.until(lambda: "c1" in served.house.controls)
        await served.house.controls["c1"].transfer("+15550199")
        assert json.loads(await audio.receive_str(timeout=5)) == {"type": "disconnect"}
        await audio.close()
        assert await post(served, "after", {"call_sid": "c2"}) == (200, HANG_UP)
        assert await post(served, "after", {"call_sid": "c1"}) == (200, DIAL)
        assert await post(served, "after", {"call_sid": "c1"}) == (200, HANG_UP)


async def test_the_control_socket_forgets_its_calls():
    async with serving() as served:
        control = await controlled(served)
        listen = (await ask(control, "session:new"))[1]
        audio = await listened(served, metadata(**listen["metadata"]))
        await served.until(lambda: "c1" in served.house.controls)
        await control.close()
        await served.house.controls["c1"].hang_up()
        assert json.loads(await audio.receive_str(timeout=5)) == {"type": "disconnect"}
        await audio.close()


# ---- who may come in


@pytest.mark.parametrize("auth", [None, basic("allo", "wrong"), basic("", "")])
@pytest.mark.parametrize("path", ["/jambonz", "/jambonz/audio"])
async def test_sockets_need_the_password(auth, path):
    async with serving(BOTH) as served:
        with capture_logs() as logs, pytest.raises(WSServerHandshakeError) as refused:
            await served.http.ws_connect(served.base + path, headers=auth)
        assert refused.value.status == 403
        assert causes(logs, "refused") == ["jambonz_password"]
        assert served.house.refused("jambonz_password") == 1


@pytest.mark.parametrize("path", ["voice", "status", "after"])
@pytest.mark.parametrize("headers", [{}, {"Jambonz-Signature": "t=1,v1=é"}, signed(b"{}"), signed(b"[]", "another")])
async def test_webhooks_need_the_signature(headers, path):
    async with serving(BOTH) as served:
        with capture_logs() as logs:
            assert await post(served, path, b'{"call_sid":"c1"}', headers) == (403, "forbidden\n")
        assert causes(logs, "refused") == ["jambonz_signature"]
        assert not served.house.tokens._issued


async def test_where_only_webhooks_are_signed_the_token_opens_the_audio():
    async with serving(HOOKED) as served:
        body = b'{"call_sid":"c1"}'
        _, verbs = await post(served, "voice", body, signed(body))
        audio = await listened(served, metadata(**verbs[1]["metadata"]))
        await served.until(lambda: "c1" in served.house.calls)
        await audio.close()
        await closed(await listened(served, metadata("c2")))
        assert (served.house.refused("token"), list(served.house.calls)) == (1, ["c1"])
        with pytest.raises(WSServerHandshakeError):
            await controlled(served)
        assert (await post(served, "status", body, signed(body)))[0] == 204


async def test_where_only_sockets_have_a_password_webhooks_are_closed():
    async with serving(BASIC) as served:
        assert (await post(served, "voice", {"call_sid": "c1"}))[0] == 403


@pytest.mark.parametrize("headers", [{"X-Forwarded-For": "203.0.113.9"}, {"Host": "tunnel.example.com"}])
async def test_without_configuration_only_loopback_is_taken(headers):
    async with serving() as served:
        for path in ("/jambonz", "/jambonz/audio"):
            with pytest.raises(WSServerHandshakeError) as refused:
                await served.http.ws_connect(served.base + path, headers=headers)
            assert refused.value.status == 403
        assert (await post(served, "voice", {"call_sid": "c1"}, headers))[0] == 403
        assert served.house.refused("not_loopback") == 3


async def test_audio_needs_its_token_beside_the_password():
    async with serving(BASIC) as served:
        for more in ({}, {"token": "invented"}):
            await closed(await listened(served, metadata(**more), auth=AUTH))
        assert (served.house.refused("token"), served.house.calls) == (2, {})


async def test_a_test_driver_needs_no_webhook_but_no_wrong_token_either():
    async with serving() as served:
        audio = await listened(served, metadata("c1"))
        await served.until(lambda: "c1" in served.house.calls)
        await audio.close()
        await closed(await listened(served, metadata("c2", token="invented")))
        assert list(served.house.calls) == ["c1"]


@pytest.mark.parametrize(("ready", "full", "cause"), [(False, False, "not_ready"), (True, True, "full")])
async def test_a_call_there_is_no_room_for_is_declined(ready, full, cause):
    async with serving() as served:
        served.house.ready, served.house.full = ready, full
        control = await controlled(served)
        with capture_logs() as logs:
            assert await ask(control, "session:new") == BUSY
            assert await post(served, "voice", {"call_sid": "c2"}) == (200, BUSY)
        assert causes(logs, "refused") == [cause] * 2
        assert served.house.refused(cause) == 2
        await control.close()


# ---- bad input


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"{}", b'{"call_sid":7}', b"\xff", b"[" * 60_000])
async def test_a_webhook_without_a_call(body):
    async with serving() as served:
        assert (await post(served, "voice", body))[0] == 400
        assert await post(served, "after", body) == (200, HANG_UP)


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("{", "malformed"),
        ('{"type":"novelty"}', "unknown_event"),
        (metadata(), "second_start"),
    ],
)
async def test_bad_messages_are_counted_and_logged_and_no_other_call_notices(message, cause):
    async with serving() as served:
        healthy = await listened(served, metadata("c9"))
        with capture_logs() as logs:
            audio = await listened(served, metadata(), message, message, b"\x01\x02")
            assert await audio.receive_bytes(timeout=5) == b"\x01\x02"
        assert causes(logs, "wire_ignored") == [cause]
        assert served.house.ignored("jambonz", cause) == 2
        await healthy.send_bytes(b"\x03\x04")
        assert await healthy.receive_bytes(timeout=5) == b"\x03\x04"
        await audio.close()
        await healthy.close()


async def test_media_before_the_metadata():
    async with serving() as served:
        audio = await listened(served, b"\x09\x09", metadata(), b"\x01\x02")
        assert await audio.receive_bytes(timeout=5) == b"\x01\x02"
        assert served.house.ignored("jambonz", "before_start") == 1
        await audio.close()


async def test_broken_control_messages_are_passed_over_up_to_a_limit():
    async with serving() as served:
        control = await controlled(served)
        for _ in range(10):
            await control.send_str("{")
            await control.send_bytes(b"\x00")
            if served.house.ignored("jambonz", "malformed") < 18:
                assert await ask(control, "session:redirect") is None
        with capture_logs():
            await closed(control)
        assert served.house.ignored("jambonz", "malformed") == 20


async def test_a_session_without_a_call_is_no_session():
    async with serving() as served:
        control = await controlled(served)
        await control.send_json({"type": "session:new", "msgid": "m1", "data": {}})
        assert await ask(control, "session:redirect") is None
        assert served.house.ignored("jambonz", "malformed") == 1
        await control.close()
