"""Twilio's door, over real sockets on loopback: who is let in, what starts a call, and what bad input costs."""

import asyncio
import base64
import json

import pytest
from aiohttp import ClientWebSocketResponse, WSMsgType, WSServerHandshakeError
from pydantic import SecretStr
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from pipelines import events as ev
from server.caller.twilio import parse_twiml
from server.carriers.twilio import dial, hang_up, reject
from tests.helpers.carriers import Served, serving

TOKEN = "0123456789abcdef0123456789abcdef"
SIGNED = {"twilio": {"auth_token": SecretStr(TOKEN)}}
PUBLIC = {"server": {"public_url": "https://voice.example.com"}}
PROXIED = {"server": {"trusted_proxies": ["127.0.0.0/8"]}}
FORM = {"CallSid": "CA1", "From": "+15550123", "To": "+15550100", "Extra": ""}
MEDIA = '{"event":"media","streamSid":"MZ1","media":{"track":"inbound","timestamp":"0","payload":"/w=="}}'
STOP = '{"event":"stop","streamSid":"MZ1","stop":{}}'


def start(call_sid: str = "CA1", **parameters: str) -> str:
    body = {"callSid": call_sid, "streamSid": "MZ1", "customParameters": parameters}
    return json.dumps({"event": "start", "streamSid": "MZ1", "start": body})


def signature(url: str, form: dict[str, str] | None = None, token: str = TOKEN) -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator(token).compute_signature(url, form or {})}


async def ring(served: Served, headers: dict[str, str] | None = None, **fields: str):
    """(status, body) of the voice webhook."""
    async with served.http.post(f"{served.base}/twilio/voice", data=FORM | fields, headers=headers) as response:
        return response.status, await response.text()


async def dialled(served: Served, *messages: str | bytes, path: str = "/twilio/media") -> ClientWebSocketResponse:
    """A media socket on which these messages were sent."""
    socket = await served.http.ws_connect(served.base + path, max_msg_size=0)
    for message in messages:
        await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
    return socket


async def flood(socket: ClientWebSocketResponse) -> None:
    """Send frames of ten megabytes for as long as the server lets us."""
    while True:
        await socket.send_str("/" * 10_000_000)


async def closed(socket: ClientWebSocketResponse) -> int | None:
    """Read on until the server closes the socket; its close code."""
    async with asyncio.timeout(5):
        while (await socket.receive()).type not in (WSMsgType.CLOSE, WSMsgType.CLOSED):
            pass
    return socket.close_code


def causes(logs: list[dict], event: str) -> list[str]:
    return [line["cause"] for line in logs if line["event"] == event]


# ---- the webhook


async def test_the_stream_follows_the_request():
    async with serving() as served:
        status, body = await ring(served)
        stream = parse_twiml(body)
        assert status == 200
        assert stream.url == f"{served.websocket_base}/twilio/media"
        assert stream.callback == f"{served.base}/twilio/status"
        assert stream.action == f"{served.base}/twilio/after"
        assert stream.parameters == {"token": stream.parameters["token"], "caller": "+15550123", "called": "+15550100"}
        assert served.house.tokens.spend(stream.parameters["token"], "CA1")


async def test_the_stream_is_at_the_public_address_where_there_is_one():
    async with serving(PUBLIC | SIGNED) as served:
        _, body = await ring(served, signature("https://voice.example.com/twilio/voice", FORM))
        stream = parse_twiml(body)
        assert stream.url == "wss://voice.example.com/twilio/media"
        assert stream.action == "https://voice.example.com/twilio/after"


@pytest.mark.parametrize("scheme", ["https", "HTTPS", "wss", "https, http"])
async def test_a_trusted_proxy_is_believed(scheme):
    async with serving(PROXIED | SIGNED) as served:
        headers = {"X-Forwarded-Proto": scheme, "X-Forwarded-Host": "voice.example.com, inner"}
        url = "https://voice.example.com/twilio/voice"
        status, body = await ring(served, headers | signature(url, FORM))
        assert (status, parse_twiml(body).url) == (200, "wss://voice.example.com/twilio/media")


async def test_a_trusted_proxy_that_keeps_the_host():
    async with serving(PROXIED | SIGNED) as served:
        headers = {"X-Forwarded-Proto": "https", "Host": "voice.example.com"}
        status, _ = await ring(served, headers | signature("https://voice.example.com/twilio/voice", FORM))
        assert status == 200


async def test_an_untrusted_peer_is_not_believed():
    async with serving(SIGNED) as served:
        headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Host": "voice.example.com"}
        status, _ = await ring(served, headers | signature("https://voice.example.com/twilio/voice", FORM))
        assert status == 403
        status, body = await ring(served, headers | signature(f"{served.base}/twilio/voice", FORM))
        assert (status, parse_twiml(body).url) == (200, f"{served.websocket_base}/twilio/media")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"X-Twilio-Signature": "AAAA"},
        signature("https://voice.example.com/twilio/voice", FORM | {"To": "+15550999"}),
        signature("https://voice.example.com/twilio/voice", FORM, token="another"),
    ],
)
@pytest.mark.parametrize("path", ["voice", "status", "after"])
async def test_webhooks_without_the_right_signature_do_nothing(headers, path):
    async with serving(PUBLIC | SIGNED) as served:
        with capture_logs() as logs:
            url = f"{served.base}/twilio/{path}"
            async with served.http.post(url, data=FORM, headers=headers) as response:
                assert (response.status, await response.text()) == (403, "forbidden\n")
        assert causes(logs, "refused") == ["twilio_signature"]
        assert served.house.refused("twilio_signature") == 1
        assert not served.house.tokens._issued


@pytest.mark.parametrize(
    "headers", [{}, {"X-Twilio-Signature": "AAAA"}, signature("https://voice.example.com/twilio/media")]
)
async def test_handshakes_without_the_right_signature_do_nothing(headers):
    async with serving(PUBLIC | SIGNED) as served:
        with capture_logs() as logs, pytest.raises(WSServerHandshakeError) as refused:
            await served.http.ws_connect(f"{served.base}/twilio/media", headers=headers)
        assert refused.value.status == 403
        assert causes(logs, "refused") == ["twilio_signature"]
        assert (served.house.refused("twilio_signature"), served.house.calls) == (1, {})


async def test_a_signed_call_from_webhook_to_media():
    async with serving(PUBLIC | SIGNED) as served:
        _, body = await ring(served, signature("https://voice.example.com/twilio/voice", FORM))
        stream = parse_twiml(body)
        socket = await served.http.ws_connect(f"{served.base}/twilio/media", headers=signature(stream.url))
        await socket.send_str(start(**stream.parameters))
        await socket.send_str(MEDIA)
        assert json.loads(await socket.receive_str())["media"] == {"payload": "/w=="}
        await socket.send_str(STOP)
        assert await closed(socket) == 1000
        started = served.house.calls["CA1"][0]
        assert (started.caller, started.called) == ("+15550123", "+15550100")
        assert served.house.ended == {"CA1": "caller"}


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.9"},
        {"Host": "tunnel.example.com"},
        {"Origin": "https://evil.example.com"},
    ],
)
async def test_without_configuration_only_loopback_is_taken(headers):
    async with serving() as served:
        with capture_logs() as logs:
            assert (await ring(served, headers))[0] == 403
            with pytest.raises(WSServerHandshakeError) as refused:
                await served.http.ws_connect(f"{served.base}/twilio/media", headers=headers)
        assert refused.value.status == 403
        assert causes(logs, "refused") == ["not_loopback"] * 2
        assert (served.house.refused("not_loopback"), served.house.calls) == (2, {})


@pytest.mark.parametrize(("ready", "full", "cause"), [(False, False, "not_ready"), (True, True, "full")])
async def test_a_call_there_is_no_room_for_is_rejected(ready, full, cause):
    async with serving() as served:
        served.house.ready, served.house.full = ready, full
        with capture_logs() as logs:
            assert await ring(served) == (200, reject())
            assert await closed(await dialled(served, start())) == 1000
        assert causes(logs, "refused") == [cause] * 2
        assert (served.house.refused(cause), served.house.calls) == (2, {})
        assert not served.house.tokens._issued


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"", "application/x-www-form-urlencoded"),
        (b"CallSid=%FF%FE", "application/json"),
        (b"\xff\xfe", "application/x-www-form-urlencoded; charset=nonsense"),
        (b"a=1&" * 1_000, "application/x-www-form-urlencoded"),
        (
            b"--x\r\nContent-Disposition: form-data; name=f; filename=f\r\n\r\n\r\n--x--",
            "multipart/form-data; boundary=x",
        ),
    ],
)
async def test_a_body_that_is_no_form(body, kind):
    for config, expected in (({}, 400), (SIGNED, 403)):
        async with serving(config) as served:
            headers = {"Content-Type": kind, "X-Twilio-Signature": "AAAA"}
            async with served.http.post(f"{served.base}/twilio/voice", data=body, headers=headers) as response:
                assert response.status == expected


# ---- tokens


async def test_a_token_opens_one_stream_of_its_own_call():
    async with serving() as served:
        token = parse_twiml((await ring(served))[1]).parameters["token"]
        assert await closed(await dialled(served, start("CA1", token=token), STOP)) == 1000
        with capture_logs() as logs:
            again = await closed(await dialled(served, start("CA1", token=token)))
            token = parse_twiml((await ring(served))[1]).parameters["token"]
            other = await closed(await dialled(served, start("CA2", token=token)))
            invented = await closed(await dialled(served, start("CA3", token="invented")))
        assert (again, other, invented) == (1000, 1000, 1000)
        assert causes(logs, "refused") == ["token"] * 3
        assert (served.house.refused("token"), list(served.house.calls)) == (3, ["CA1"])


async def test_an_expired_token_opens_nothing():
    async with serving() as served:
        token = parse_twiml((await ring(served))[1]).parameters["token"]
        served.house.now += 61
        await closed(await dialled(served, start("CA1", token=token)))
        assert (served.house.refused("token"), served.house.calls) == (1, {})


async def test_signed_streams_need_a_token():
    async with serving(PUBLIC | SIGNED) as served:
        headers = signature("wss://voice.example.com/twilio/media")
        socket = await served.http.ws_connect(f"{served.base}/twilio/media", headers=headers)
        await socket.send_str(start())
        await closed(socket)
        assert (served.house.refused("token"), served.house.calls) == (1, {})


async def test_a_test_driver_needs_no_webhook():
    async with serving() as served:
        hello = ('{"event":"connected","conversation_id":"c1"}', '{"event":"start","conversation_id":"c1"}')
        socket = await dialled(served, *hello, '{"event":"stop","conversation_id":"c1"}', path="/ws")
        await closed(socket)
        assert served.house.ended == {"c1": "caller"}


# ---- bad input


async def bad(served: Served, *messages: str | bytes, started: bool = True) -> tuple[list[dict], str]:
    """Log lines of a stream on which these messages came, beside a healthy call that must not notice; how it ended."""
    healthy = await dialled(served, start("CA9"))
    with capture_logs() as logs:
        socket = await dialled(served, *([start()] if started else []), *messages)
        if not socket.closed:
            await socket.send_str(STOP)
        await closed(socket)
        await served.until(lambda: "CA1" in served.house.ended or not started)
    await healthy.send_str(MEDIA)
    assert base64.b64decode(json.loads(await healthy.receive_str(timeout=5))["media"]["payload"]) == b"\xff"
    await healthy.send_str(STOP)
    await closed(healthy)
    assert served.house.ended["CA9"] == "caller"
    return logs, served.house.ended.get("CA1", "")


@pytest.mark.parametrize(
    ("messages", "cause"),
    [
        (['{"event":', "[]"], "malformed"),
        ([MEDIA.replace("/w==", "@@@"), MEDIA.replace("/w==", "A")], "malformed"),
        ([b"\x00" * 640, b"\xff"], "binary"),
        ([start(), start("CA2")], "second_start"),
        ([MEDIA.replace("MZ1", "MZ9")] * 2, "unknown_stream"),
        (['{"event":"user_speech_start"}'] * 2, "unknown_event"),
    ],
)
async def test_bad_messages_are_counted_and_logged_once(messages, cause):
    async with serving() as served:
        logs, reason = await bad(served, *messages)
        assert reason == "caller"
        assert causes(logs, "wire_ignored") == [cause]
        assert served.house.ignored("twilio", cause) == 2
        assert set(served.house.calls) == {"CA1", "CA9"}


async def test_media_before_the_start():
    async with serving() as served:
        logs, _ = await bad(served, MEDIA, MEDIA, start(), started=False)
        assert causes(logs, "wire_ignored") == ["before_start"]
        assert served.house.ignored("twilio", "before_start") == 2
        assert served.house.ended["CA1"] == "caller"


async def test_a_frame_of_ten_megabytes_ends_its_own_call_only():
    async with serving() as served:
        healthy = await dialled(served, start("CA9"))
        socket = await dialled(served, start())
        await served.until(lambda: "CA1" in served.house.calls)
        with pytest.raises(ConnectionError):
            await flood(socket)
        await served.until(lambda: served.house.ended.get("CA1") == "refused")
        assert served.house.ended_so("twilio", "refused") == 1
        await healthy.send_str(MEDIA)
        assert await healthy.receive_str(timeout=5)
        await healthy.close()


async def test_a_frame_of_ten_megabytes_instead_of_a_start():
    async with serving() as served:
        with capture_logs() as logs:
            socket = await dialled(served)
            with pytest.raises(ConnectionError):
                await flood(socket)
            await served.until(lambda: served.house.refused("wire_error") == 1)
        assert [line["error"] for line in logs if line["event"] == "wire_error"] == ["a message is too long"]


async def test_a_stream_that_never_starts(monkeypatch):
    monkeypatch.setattr("server.routes.door.START_TIMEOUT_S", 0.05)
    async with serving() as served:
        with capture_logs() as logs:
            await closed(await dialled(served, '{"event":"connected"}'))
            (await dialled(served))._response.close()
            await served.until(lambda: served.house.refused("no_start") == 2)
        assert causes(logs, "refused") == ["no_start"] * 2
        assert served.house.calls == {}


async def test_no_log_line_holds_a_number_a_word_or_a_token():
    async with serving(SIGNED) as served:
        with capture_logs() as logs:
            await ring(served, signature(f"{served.base}/twilio/voice", FORM))
            await ring(served)
            headers = signature(f"{served.websocket_base}/twilio/media")
            socket = await served.http.ws_connect(f"{served.base}/twilio/media", headers=headers)
            await socket.send_str('{"word-of-the-caller')
            await socket.send_str(start(token="a-token", caller="+15550123"))
            await closed(socket)
        assert {line["event"] for line in logs} == {"refused", "wire_ignored"}
        for word in ("+1555", "word-of-the-caller", "a-token", TOKEN):
            assert word not in repr(logs)


# ---- afterwards


async def test_after_the_stream_the_call_ends_or_goes_on_elsewhere():
    async with serving() as served:

        async def after(call_sid: str) -> str:
            async with served.http.post(f"{served.base}/twilio/after", data={"CallSid": call_sid}) as response:
                assert response.content_type == "text/xml"
                return await response.text()

        socket = await dialled(served, start())
        await served.until(lambda: "CA1" in served.house.controls)
        await served.house.controls["CA1"].transfer("+15550199")
        await socket.send_str(STOP)
        await closed(socket)
        assert await after("CA2") == hang_up()
        assert await after("CA1") == dial("+15550199")
        assert await after("CA1") == hang_up()


@pytest.mark.parametrize(
    ("event", "logged", "ignored"),
    [("stream-started", 0, 0), ("stream-stopped", 0, 0), ("stream-error", 1, 0), ("novelty", 0, 1), ("", 0, 1)],
)
async def test_the_status_callback(event, logged, ignored):
    async with serving() as served:
        form = {"StreamEvent": event, "CallSid": "CA1", "StreamError": "Error 31921: close of +15550123"}
        with capture_logs() as logs:
            async with served.http.post(f"{served.base}/twilio/status", data=form) as response:
                assert response.status == 204
        errors = [line for line in logs if line["event"] == "stream_error"]
        assert [(line["call_id"], line["codes"]) for line in errors] == [("CA1", ["31921"])] * logged
        assert served.house._count("allo_facts_total", fact="stream_error") == logged
        assert served.house.ignored("twilio", "unknown_event") == ignored
        assert "+15550123" not in repr(logs)


async def test_health_and_metrics():
    async with serving() as served:
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 200)):
            async with served.http.get(served.base + path) as response:
                assert response.status == status
        served.house.ready = False
        async with served.http.get(f"{served.base}/readyz") as response:
            assert (response.status, await response.json()) == (503, {"ready": False, "calls": 0})


async def scraped(served: Served, headers: dict[str, str]) -> tuple[int, str]:
    async with served.http.get(f"{served.base}/metrics", headers=headers) as response:
        return response.status, await response.text()


async def test_metrics_without_a_token_are_for_loopback():
    async with serving() as served:
        assert "allo_calls_active" in (await scraped(served, {}))[1]
        for headers in ({"X-Forwarded-For": "203.0.113.9"}, {"Host": "phone.example.org"}):
            status, text = await scraped(served, headers)
            assert status == 403
            assert "set server.metrics_token" in text
        assert served.house.refused("metrics_not_loopback") == 2


async def test_metrics_with_a_token_are_for_those_who_bring_it():
    async with serving({"server": {"metrics_token": SecretStr("s3cret")}}) as served:
        far = {"X-Forwarded-For": "203.0.113.9"}
        status, text = await scraped(served, far | {"Authorization": "Bearer s3cret"})
        assert (status, "allo_calls_active" in text) == (200, True)
        for header in ("", "Bearer ", "Bearer s3cre", "s3cret"):
            async with served.http.get(f"{served.base}/metrics", headers={"Authorization": header}) as response:
                assert (response.status, response.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert served.house.refused("metrics_token") == 4


async def test_a_peer_that_does_not_read_is_dropped():
    async with serving() as served:
        reader_gone = []

        class Flood(type(served.house)):
            async def take_call(self, carrier, wire, socket, control, started, placed=None):
                for _ in range(10_000):
                    try:
                        socket.send("x" * 10_000)
                    except ConnectionError as error:
                        reader_gone.append(str(error))
                        return "lost"

        served.house.__class__ = Flood
        socket = await dialled(served, start())
        socket._response.connection.protocol.pause_reading()
        await served.until(lambda: reader_gone)
        assert reader_gone == ["the peer does not read"]


async def test_frames_of_every_size_are_read_as_they_were_sent():
    sizes = (0, 1, 125, 126, 127, 65_535, 65_536, 200_000)
    async with serving() as served:

        class Sender(type(served.house)):
            async def take_call(self, carrier, wire, socket, control, started, placed=None):
                for size in sizes:
                    socket.send("é" * (size // 2) + "x" * (size % 2))
                    socket.send(b"\x01" * size)
                await socket.close()
                with pytest.raises(ConnectionError):
                    socket.send("too late")

        served.house.__class__ = Sender
        socket = await dialled(served, start())
        for size in sizes:
            assert await socket.receive_str(timeout=5) == "é" * (size // 2) + "x" * (size % 2)
            assert await socket.receive_bytes(timeout=5) == b"\x01" * size
        await closed(socket)


async def test_the_call_is_an_event_stream():
    async with serving() as served:
        press = '{"event":"dtmf","streamSid":"MZ1","dtmf":{"track":"inbound_track","digit":"5"}}'
        await closed(await dialled(served, start(), MEDIA, press, STOP))
        assert [type(event) for event in served.house.calls["CA1"]] == [
            ev.CallStarted,
            ev.MediaReceived,
            ev.DigitReceived,
            ev.CallEnded,
        ]
