"""The browser's door: who is let in, what other sites cannot do, and what bad input costs."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, WSMsgType, WSServerHandshakeError
from pydantic import SecretStr

from pipelines.events import MediaReceived
from server.phone.gate import COOKIE
from server.wire import MESSAGE_LIMIT
from tests.helpers.carriers import Served, serving
from tests.helpers.phone_page import RtcPage, start, tone

TOKEN = "correct horse battery staple"
LOCKED = {"server": {"api_token": SecretStr(TOKEN)}}
BEARER = {"Authorization": f"Bearer {TOKEN}"}
FORWARDED = {"X-Forwarded-For": "203.0.113.9"}


@asynccontextmanager
async def open_door(config: dict | None = None) -> AsyncIterator[tuple[Served, ClientSession]]:
    """The server, and a browser that has its address."""
    async with serving(config) as served, ClientSession(served.base) as http:
        yield served, http


async def ticket(http: ClientSession, **headers: str) -> dict:
    async with http.post("/phone/ticket", headers=headers) as response:
        assert response.status == 200
        return await response.json()


async def status(http: ClientSession, method: str, path: str, **more) -> int:
    async with http.request(method, path, allow_redirects=False, **more) as response:
        return response.status


# ---- the page


@pytest.mark.parametrize(("language", "word"), [("fr-CA,en;q=0.5", "Appeler"), ("de", "Call"), ("", "Call")])
async def test_the_page_speaks_both_languages(language, word):
    async with open_door() as (_, http), http.get("/phone", headers={"Accept-Language": language}) as response:
        assert response.status == 200
        assert f">{word}<" in await response.text()


async def test_the_policy_lets_nothing_foreign_or_inline_run():
    async with open_door() as (_, http), http.get("/phone") as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "<script>" not in (text := await response.text())
        assert "style=" not in text
        assert "onclick" not in text


async def test_names_of_agents_are_only_words():
    config = {"agents": [{"name": 'x"><script>alert(1)</script>', "kind": "echo"}]}
    async with open_door(config) as (_, http), http.get("/phone") as response:
        assert "<script>alert" not in await response.text()


@pytest.mark.parametrize("name", ["phone.js", "phone.css", "audio.js", "icon.svg"])
async def test_its_files(name):
    async with open_door() as (_, http), http.get(f"/phone/static/{name}") as response:
        assert response.status == 200
        assert response.headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize("name", ["page.py", "..%2fpage.py", "%2e%2e%2fwords.py", "%00", "phone.html.j2"])
async def test_no_other_file(name):
    async with open_door() as (_, http):
        assert await status(http, "GET", f"/phone/static/{name}") == 404


async def test_it_can_be_left_out():
    async with open_door({"phone": {"enabled": False}}) as (_, http):
        assert await status(http, "GET", "/phone") == 404


# ---- who may come in

DOORS = [("GET", "/phone"), ("POST", "/phone/ticket"), ("POST", "/phone/offer"), ("GET", "/phone/socket")]


@pytest.mark.parametrize(("method", "path"), DOORS)
async def test_without_a_token_configured_only_this_machine(method, path):
    async with open_door() as (served, http):
        assert await status(http, method, path, headers=FORWARDED) == 403
        assert served.house.refused("not_loopback") == 1


@pytest.mark.parametrize(("method", "path"), DOORS)
@pytest.mark.parametrize(
    "headers",
    [{}, {"Authorization": "Bearer wrong"}, {"Cookie": f"{COOKIE}=9999999999.{'0' * 64}"}, {"Cookie": f"{COOKIE}=x"}],
)
async def test_with_one_nobody_who_does_not_bring_it(method, path, headers):
    async with open_door(LOCKED) as (served, http):
        assert await status(http, method, path, headers=headers) in (401, 403)
        assert not served.house.calls


async def test_a_bearer_comes_in_from_anywhere():
    async with open_door(LOCKED) as (_, http):
        assert await ticket(http, **BEARER, **FORWARDED)


async def test_signing_in_once_opens_it():
    async with open_door(LOCKED) as (_, http):
        assert await status(http, "GET", "/phone") == 401
        async with http.post("/phone/sign-in", data={"token": TOKEN}, allow_redirects=False) as response:
            assert response.status == 303
            cookie = response.cookies[COOKIE]
            assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/phone")
            assert TOKEN not in cookie.value
        cookie = {"Cookie": f"{COOKIE}={cookie.value}"}
        assert await status(http, "GET", "/phone", headers=cookie) == 200
        assert await ticket(http, **cookie)


async def test_wrong_tokens_are_slowed_down():
    async with open_door(LOCKED) as (_, http):
        tried = [await status(http, "POST", "/phone/sign-in", data={"token": "é"}) for _ in range(12)]
        assert tried == [401] * 10 + [429] * 2


@pytest.mark.parametrize(("method", "path"), DOORS[1:])
@pytest.mark.parametrize("origin", ["https://evil.example", "http://127.0.0.1:1", "null", "http://[", ""])
async def test_another_sites_page_can_do_nothing(method, path, origin):
    for config, headers in (({}, {}), (LOCKED, BEARER)):
        async with open_door(config) as (served, http):
            assert await status(http, method, path, headers={"Origin": origin, **headers}) == 403
            assert served.house.refused("cross_origin") == 1


async def test_our_own_page_can():
    async with open_door() as (served, http):
        assert await ticket(http, Origin=served.base)


async def test_a_name_that_was_rebound_to_this_machine_is_not_this_machine():
    async with open_door() as (served, http):
        assert (
            await status(
                http, "POST", "/phone/ticket", headers={"Host": "evil.example", "Origin": "http://evil.example"}
            )
            == 403
        )
        assert served.house.refused("not_loopback") == 1


# ---- a call over the websocket


@asynccontextmanager
async def socket_with(http: ClientSession, *messages) -> AsyncIterator:
    async with http.ws_connect("/phone/socket", max_msg_size=0) as socket:
        for message in messages:
            await (socket.send_bytes(message) if isinstance(message, bytes) else socket.send_str(message))
        yield socket


async def rest(socket) -> list:
    """All that comes until the server closes."""
    async with asyncio.timeout(10):
        return [m.data if m.type is WSMsgType.BINARY else json.loads(m.data) async for m in socket]


async def test_a_ticket_is_good_for_one_call():
    async with open_door() as (served, http):
        given = json.dumps(start(await ticket(http)))
        async with socket_with(http, given, '{"type":"hangup"}') as socket:
            await rest(socket)
        async with socket_with(http, given) as socket:
            assert await rest(socket) == [{"type": "refused"}]
        assert served.house.refused("token") == 1
        assert list(served.house.ended.values()) == ["caller"]


@pytest.mark.parametrize("change", [{"token": ""}, {"token": "x"}, {"call_id": "another"}])
async def test_no_call_without_its_ticket_not_even_on_loopback(change):
    async with open_door() as (served, http):
        message = {**start(await ticket(http)), **change}
        async with socket_with(http, json.dumps(message)) as socket:
            assert await rest(socket) == [{"type": "refused"}]
        assert not served.house.calls


async def test_no_room():
    async with open_door() as (served, http):
        given = json.dumps(start(await ticket(http)))
        served.house.full = True
        assert await status(http, "POST", "/phone/ticket") == 503
        assert await status(http, "POST", "/phone/offer", json={"sdp": ""}) == 503
        async with socket_with(http, given) as socket:
            assert await rest(socket) == [{"type": "refused"}]


async def test_sound_and_keys_come_through():
    async with open_door() as (served, http):
        given = await ticket(http)
        sound = tone(0.02)
        key = '{"type":"digit","digit":"#"}'
        async with socket_with(http, json.dumps(start(given)), sound, key, '{"type":"hangup"}') as socket:
            assert sound in await rest(socket)
        _, media, digit, _ = served.house.calls[given["call_id"]]
        assert (media.payload, digit.digit) == (sound, "#")


@pytest.mark.parametrize("bad", ["x" * (MESSAGE_LIMIT + 10), b"x" * (MESSAGE_LIMIT + 10)])
async def test_a_huge_message_ends_the_call(bad):
    async with open_door() as (served, http):
        given = await ticket(http)
        async with socket_with(http, json.dumps(start(given)), bad) as socket:
            await rest(socket)
        assert served.house.ended[given["call_id"]] == "refused"


async def test_nonsense_ends_the_call_at_the_twentieth():
    async with open_door() as (served, http):
        given = await ticket(http)
        async with socket_with(http, json.dumps(start(given)), *["{"] * 30) as socket:
            await rest(socket)
        assert served.house.ended[given["call_id"]] == "refused"


# ---- offers of WebRTC


async def offer_of(page: RtcPage) -> str:
    await page.peer.setLocalDescription(await page.peer.createOffer())
    return page.peer.localDescription.sdp


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 60_000,
        b'{"sdp": 1}',
        b'{"sdp": ""}',
        json.dumps({"sdp": "v=0\r\nm=audio 9 x\r\nm=application 9 y\r\n"}).encode(),
        json.dumps({"sdp": "m=audio \nm=application \n" + "a=candidate\n" * 61}).encode(),
        json.dumps({"sdp": "v=0\r\n" + "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" * 200}).encode(),
    ],
)
async def test_an_offer_that_is_none(body):
    async with open_door() as (served, http):
        assert await status(http, "POST", "/phone/offer", data=body) == 400
        assert served.house.refused("offer") == 1


async def test_an_offer_with_a_picture_is_not_answered():
    async with open_door() as (_, http):
        page = RtcPage()
        page.peer.addTransceiver("video")
        assert await status(http, "POST", "/phone/offer", json={"sdp": await offer_of(page)}) == 400
        await page.close()


async def test_an_offer_of_a_megabyte_is_not_read():
    async with open_door() as (_, http):
        assert await status(http, "POST", "/phone/offer", json={"sdp": "x" * 1_000_000}) == 413


async def test_a_flood_of_offers_holds_few_peers():
    async with open_door() as (served, http):
        page = RtcPage()
        sdp = await offer_of(page)
        answers = await asyncio.gather(*(status(http, "POST", "/phone/offer", json={"sdp": sdp}) for _ in range(24)))
        assert answers.count(503) == 8
        assert set(answers) - {503} <= {200, 400}  # 400: no candidates in time, on a machine that is busy with sixteen
        assert served.house.refused("offers") == 8
        await page.close()


async def test_an_answered_offer_is_no_call_before_its_ticket():
    async with open_door() as (served, http):
        page = await RtcPage().connect(http)
        page.say({"type": "start", "call_id": "x", "token": "y"})
        await page.until(lambda: page.messages)
        assert page.messages == [{"type": "refused"}]
        assert not served.house.calls
        await page.close()


async def test_sound_belongs_on_its_track():
    async with open_door() as (served, http):
        page = await RtcPage().call(http)
        page.channel.send(b"\0\0" * 320)
        async with asyncio.timeout(10):
            await page.over.wait()
        assert list(served.house.ended.values()) == ["refused"]
        await page.close()


async def test_a_websocket_needs_what_the_page_needs():
    async with open_door(LOCKED) as (_, http):
        with pytest.raises(WSServerHandshakeError):
            await http.ws_connect("/phone/socket")
        async with http.ws_connect("/phone/socket", headers=BEARER):
            pass


async def test_what_the_caller_says_is_not_held_back():
    """Of four packets aiortc's own jitter buffer would give out none."""
    async with open_door() as (served, http):
        page = RtcPage(frames=4)
        page.microphone.on.clear()
        await page.call(http)
        await served.until(lambda: served.house.calls)
        page.microphone.on.set()
        (heard,) = served.house.calls.values()
        await served.until(lambda: len(heard) > 1)
        assert isinstance(heard[1], MediaReceived)
        await page.close()
