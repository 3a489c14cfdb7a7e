"""POST /api/calls: who may ask, what is wrong with a request, and whole calls, from the asking over the carrier's stand-in to the media."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
import pytest
from aiohttp import encode_basic_auth
from pydantic import SecretStr
from structlog.testing import capture_logs
from twilio.request_validator import RequestValidator

from pipelines.replay.dump import read_meta
from server.caller.twilio import parse_twiml
from server.placed import Placed
from tests.helpers.carrier_rest import (
    ACCOUNT,
    JAMBONZ_ACCOUNT,
    JAMBONZ_APPLICATION,
    JAMBONZ_KEY,
    JAMBONZ_SID,
    SECRET,
    SID,
    CarrierApis,
    TwilioOnLoopback,
    carrier_apis,
)
from tests.helpers.carriers import Served, serving
from tests.helpers.houses import open_house

TOKEN = "token-of-the-operator"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
TO, FROM, MESSAGE = "+33123456789", "+15550100", "This is the surgery. Please call us back."
PUBLIC = "https://voice.example.com"
DESK = "front desk é&"
AGENTS = [{"name": "other"}, {"name": DESK, "numbers": ["+1 (555) 01-00"]}]
SERVER = {"api_token": SecretStr(TOKEN), "public_url": PUBLIC}
TWILIO = {"account_sid": ACCOUNT, "auth_token": SecretStr(SECRET)}


@pytest.fixture
async def apis(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[CarrierApis]:
    async with carrier_apis() as apis:
        monkeypatch.setattr(TwilioOnLoopback, "base", apis.url)
        monkeypatch.setattr("server.carriers.twilio.TwilioHttpClient", TwilioOnLoopback)
        yield apis


def jambonz(apis: CarrierApis, **more: Any) -> dict[str, Any]:
    rest = {"api_url": apis.url, "api_key": SecretStr(JAMBONZ_KEY)}
    return rest | {"account_sid": JAMBONZ_ACCOUNT, "application_sid": JAMBONZ_APPLICATION} | more


def configured(**more: Any) -> dict[str, Any]:
    return {"server": SERVER, "twilio": TWILIO, "agents": AGENTS} | more


async def place(served: Served, body: object, headers: dict[str, str] = BEARER) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with served.http.post(f"{served.base}/api/calls", data=data, headers=headers) as response:
        return response.status, await response.json()


# ---- who may ask


async def test_without_a_token_configured_no_calls_are_placed(apis) -> None:
    async with serving({"twilio": TWILIO}) as served:
        status, answer = await place(served, {"to": TO})
        assert (status, served.house.refused("api_off"), apis.asked) == (403, 1, [])
        assert "server.api_token" in answer["errors"][0]


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer x"}, {"Authorization": f"Basic {TOKEN}"}])
async def test_without_the_token_no_call_is_placed(apis, headers) -> None:
    async with serving(configured()) as served:
        status, _ = await place(served, {"to": TO, "agent": DESK}, headers)
        assert (status, served.house.refused("api_token"), apis.asked) == (401, 1, [])


# ---- what is wrong


async def test_all_that_is_wrong_is_said_at_once_and_shows_nothing_of_it(apis) -> None:
    async with serving(configured()) as served:
        wrong = {"to": "112", "from": 5, "mesage": "secret words", "carrier": "pigeon", "message": "..."}
        status, answer = await place(served, wrong)
        assert status == 400
        assert sorted(error.partition(":")[0] for error in answer["errors"]) == [
            "carrier",
            "from",
            "mesage",
            "message",
            "to",
        ]
        assert "secret" not in str(answer)
        assert "Did you mean `message`?" in str(answer)


@pytest.mark.parametrize(
    ("body", "keys"),
    [
        ({"agent": DESK}, ["to"]),
        ({"to": TO, "agent": "nobody"}, ["agent"]),
        ({"to": TO, "agent": "other"}, ["from"]),
        ({"to": TO, "agent": DESK, "language": "de"}, ["language"]),
        ({"to": TO, "agent": "other", "carrier": "jambonz", "language": "de"}, ["from", "language", "carrier"]),
        ({"to": TO, "agent": DESK, "message": "a " * 2_001}, ["message"]),
        (b"[]", ['the body is no JSON object. Send {"to"']),
        (b"\xff{", ['the body is no JSON object. Send {"to"']),
    ],
)
async def test_what_is_wrong_is_said_with_its_mend(apis, body, keys) -> None:
    async with serving(configured()) as served:
        status, answer = await place(served, body)
        assert (status, [error.partition(":")[0] for error in answer["errors"]]) == (400, keys)
        assert apis.asked == []


@pytest.mark.parametrize(
    "number", ["112", "15", "+112", "0033123456789", "+33 1 23", "tel:+33123456789", "+0123456789", ""]
)
async def test_numbers_that_are_not_called(apis, number) -> None:
    async with serving(configured()) as served:
        assert (await place(served, {"to": number, "agent": DESK}))[0] == 400
        assert apis.asked == []


async def test_twilio_must_be_able_to_reach_us(apis) -> None:
    async with serving(configured(server={"api_token": SecretStr(TOKEN)})) as served:
        status, answer = await place(served, {"to": TO, "agent": DESK})
        assert status == 400
        assert "server.public_url" in answer["errors"][0]


async def test_no_more_than_so_many_a_minute(apis) -> None:
    async with serving(configured(server=SERVER | {"api_calls_per_minute": 2})) as served:
        statuses = [(await place(served, {"to": TO, "agent": DESK}))[0] for _ in range(3)]
        assert statuses == [202, 202, 429]
        assert (len(apis.asked), served.house.refused("api_pace")) == (2, 1)


async def test_no_call_is_placed_that_there_is_no_room_for(apis) -> None:
    async with serving(configured()) as served:
        served.house.full = True
        assert (await place(served, {"to": TO, "agent": DESK}))[0] == 503
        assert apis.asked == []


async def test_a_refusal_of_the_carrier_is_passed_on_without_numbers(apis) -> None:
    apis.status = 400
    async with serving(configured(jambonz=jambonz(apis))) as served:
        for carrier, name in (("twilio", "Twilio"), ("jambonz", "jambonz")):
            with capture_logs() as logs:
                status, answer = await place(served, {"to": TO, "agent": DESK, "carrier": carrier, "message": MESSAGE})
            assert status == 502
            assert answer["errors"][0].startswith(f"{name} refused to place the call: HTTP 400")
            assert not any(secret in str((logs, answer)) for secret in (TO, FROM, MESSAGE, SECRET, TOKEN))
        assert not served.house.placed._kept


# ---- whole calls


def signature(url: str, form: dict[str, str] | None = None) -> dict[str, str]:
    return {"X-Twilio-Signature": RequestValidator(SECRET).compute_signature(url, form or {})}


async def answer_twilio(http: Any, base: str, asked: dict[str, str]) -> Any:
    """What Twilio does once its call is answered: ask the URL, open the stream, say what it is."""
    assert asked["Url"].startswith(f"{PUBLIC}/twilio/voice?")
    form = {"CallSid": SID, "From": asked["From"], "To": asked["To"], "Direction": "outbound-api"}
    hook = urlsplit(asked["Url"])
    async with http.post(
        f"{base}{hook.path}?{hook.query}", data=form, headers=signature(asked["Url"], form)
    ) as response:
        assert response.status == 200
        stream = parse_twiml(await response.text())
    assert MESSAGE not in str(stream.parameters)
    socket = await http.ws_connect(f"{base}{urlsplit(stream.url).path}", headers=signature(stream.url))
    start = {"callSid": SID, "streamSid": "MZ1", "customParameters": stream.parameters}
    await socket.send_json({"event": "start", "streamSid": "MZ1", "start": start})
    return socket


async def test_a_call_through_twilio(apis) -> None:
    async with serving(configured()) as served:
        with capture_logs() as logs:
            status, answer = await place(served, {"to": TO, "agent": DESK, "message": MESSAGE, "language": "fr"})
        assert (status, answer) == (202, {"call_id": SID, "carrier": "twilio", "agent": DESK})
        assert (apis.asked[0]["To"], apis.asked[0]["From"]) == (TO, FROM)
        assert not any(secret in str(logs) for secret in (TO, FROM, MESSAGE, TOKEN))
        socket = await answer_twilio(served.http, served.base, apis.asked[0])
        await socket.send_json({"event": "stop", "streamSid": "MZ1", "stop": {}})
        await served.until(lambda: SID in served.house.ended)
        started = served.house.calls[SID][0]
        assert (started.caller, started.called) == (TO, FROM)
        assert served.house.outbound == {SID: Placed(DESK, MESSAGE, "fr")}


@pytest.mark.parametrize("way", ["socket", "hook"])
async def test_a_call_through_jambonz(apis, way) -> None:
    auth = {"username": "allo", "password": SecretStr("word")} if way == "socket" else {}
    headers = {"Authorization": encode_basic_auth("allo", "word")} if auth else {}
    config = configured(server={"api_token": SecretStr(TOKEN)}, twilio={}, jambonz=jambonz(apis, **auth))
    async with serving(config) as served:
        status, answer = await place(served, {"to": TO, "agent": DESK, "message": MESSAGE})
        assert (status, answer) == (202, {"call_id": JAMBONZ_SID, "carrier": "jambonz", "agent": DESK})
        assert MESSAGE not in str(apis.asked)
        # jambonz asks the application's hook once the call is answered, and brings the tag back.
        told = {
            "call_sid": JAMBONZ_SID,
            "direction": "outbound",
            "from": FROM,
            "to": TO,
            "customerData": apis.asked[0]["tag"],
        }
        if way == "socket":
            control = await served.http.ws_connect(
                f"{served.base}/jambonz", protocols=("ws.jambonz.org",), headers=headers
            )
            await control.send_json({"type": "session:new", "msgid": "m", "call_sid": JAMBONZ_SID, "data": told})
            verbs = (await control.receive_json(timeout=5))["data"]
        else:
            async with served.http.post(f"{served.base}/jambonz/voice", json=told) as response:
                verbs = await response.json()
        url, protocols = f"{served.base}/jambonz/audio", ("audio.jambonz.org",)
        audio = await served.http.ws_connect(url, protocols=protocols, headers=headers)
        first = {"callSid": JAMBONZ_SID, "from": FROM, "to": TO, "sampleRate": 16_000, "mixType": "mono"}
        await audio.send_json(first | verbs[1]["metadata"])
        await served.until(lambda: JAMBONZ_SID in served.house.calls)
        await audio.close()
        assert served.house.outbound == {JAMBONZ_SID: Placed(DESK, MESSAGE)}


async def test_a_call_that_comes_in_is_none_that_we_placed(apis) -> None:
    async with serving(configured()) as served:
        form = {"CallSid": "CA9", "From": TO, "To": FROM}
        headers = signature(f"{PUBLIC}/twilio/voice", form)
        async with served.http.post(f"{served.base}/twilio/voice", data=form, headers=headers) as response:
            parameters = parse_twiml(await response.text()).parameters
        assert set(parameters) == {"token", "caller", "called"}
        assert parameters["caller"] == TO


async def test_the_call_that_is_driven_is_the_one_that_was_asked_for(apis, tmp_path) -> None:
    """The real house, with agents that need no models; its dump says how the call was set up."""
    agents = [
        {"name": "other", "kind": "echo", "numbers": ["+15550999"]},
        {"name": "line", "kind": "echo", "numbers": [FROM]},
    ]
    config = configured(agents=agents, recording={"enabled": True, "dir": tmp_path})
    async with open_house(config) as (_, http):
        async with http.post(
            "/api/calls", json={"to": TO, "agent": "line", "message": MESSAGE, "language": "fr"}, headers=BEARER
        ) as response:
            assert response.status == 202
        socket = await answer_twilio(http, str(http._base_url).rstrip("/"), apis.asked[0])
        await socket.send_json({"event": "stop", "streamSid": "MZ1", "stop": {}})
        await socket.receive(timeout=5)
    [folder] = [path for path in tmp_path.iterdir() if path.is_dir()]
    meta = read_meta(folder)
    assert (meta.agent, meta.caller, meta.called) == ("line", TO, FROM)
    assert (meta.settings.outbound, meta.settings.message) == (True, MESSAGE)
    assert meta.settings.languages == ("fr", "en")
    assert msgspec.json.decode((folder / "transcript.json").read_bytes()) == []
