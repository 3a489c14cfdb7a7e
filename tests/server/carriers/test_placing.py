"""The requests that place calls, against stand-ins that hold them to the vendors' pages."""

import traceback
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from server.carriers import CarrierError
from server.carriers.jambonz_rest import JambonzRest
from server.carriers.twilio import TwilioRest
from server.config import JambonzSettings
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

TO, FROM = "+33123456789", "+15550100"
HOOK = "https://voice.example.com/twilio/voice?outbound=x&agent=a"


@pytest.fixture
async def apis() -> AsyncIterator[CarrierApis]:
    async with carrier_apis() as apis:
        yield apis


def twilio(apis: CarrierApis, secret: str = SECRET) -> TwilioRest:
    http = TwilioOnLoopback(timeout=3)
    http.base = apis.url
    return TwilioRest(ACCOUNT, ACCOUNT, secret, http=http)


def jambonz(url: str, key: str = JAMBONZ_KEY) -> JambonzRest:
    return JambonzRest(
        JambonzSettings(
            api_url=url,
            api_key=SecretStr(key),
            account_sid=JAMBONZ_ACCOUNT,
            application_sid=JAMBONZ_APPLICATION,
        )
    )


async def test_twilio_places_a_call(apis) -> None:
    assert await twilio(apis).create(TO, FROM, HOOK) == SID
    assert apis.asked == [{"To": TO, "From": FROM, "Url": HOOK, "Method": "POST"}]


@pytest.mark.parametrize(
    ("to", "target"),
    [
        (TO, {"type": "phone", "number": TO}),
        ("sip:desk@example.com", {"type": "sip", "sipUri": "sip:desk@example.com"}),
    ],
)
@pytest.mark.parametrize("suffix", ["", "/", "/v1"])
async def test_jambonz_places_a_call(apis, to, target, suffix) -> None:
    assert await jambonz(apis.url + suffix).create(to, FROM, {"outbound": "x", "agent": "a"}) == JAMBONZ_SID
    assert apis.asked == [
        {
            "application_sid": JAMBONZ_APPLICATION,
            "from": FROM,
            "to": target,
            "tag": {"outbound": "x", "agent": "a"},
        }
    ]


@pytest.mark.parametrize("status", [400, 403, 429, 480, 500, 503])
async def test_a_refusal_is_told_once_without_numbers_or_secrets(apis, status) -> None:
    apis.status = status
    for create in (twilio(apis).create(TO, FROM, HOOK), jambonz(apis.url).create(TO, FROM, {})):
        with pytest.raises(CarrierError, match=f"HTTP {status}") as caught:
            await create
        told = "".join(traceback.format_exception(caught.value))
        assert not any(secret in told for secret in (TO, FROM, SECRET, JAMBONZ_KEY))
    assert len(apis.asked) == 2, "a call that may have been placed is not placed again"


async def test_wrong_credentials(apis) -> None:
    with pytest.raises(CarrierError, match="HTTP 401"):
        await twilio(apis, "wrong").create(TO, FROM, HOOK)
    with pytest.raises(CarrierError, match="HTTP 401"):
        await jambonz(apis.url, "wrong").create(TO, FROM, {})


async def test_nobody_there() -> None:
    gone = CarrierApis()
    gone.url = "http://127.0.0.1:9"
    for create in (twilio(gone).create(TO, FROM, HOOK), jambonz(gone.url).create(TO, FROM, {})):
        with pytest.raises(CarrierError, match="could not be reached"):
            await create


def test_without_credentials_it_is_not_usable() -> None:
    assert not JambonzRest(JambonzSettings()).usable
    assert not TwilioRest().usable
