"""TwiML to the letter, and the REST API through a local stand-in for Twilio's HTTP."""

import logging
import threading
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests.exceptions import ConnectionError as Unreachable
from twilio.http import HttpClient
from twilio.http.response import Response

from server.caller.twilio import parse_twiml
from server.carriers import CarrierError, plain_target
from server.carriers.twilio import TwilioControl, TwilioRest, connect_stream, dial, hang_up, reject

ACCOUNT = "AC" + "0" * 32
CALL = "CA" + "1" * 32
SECRET = "auth-token-auth-token"
NUMBER = "+15550199"
GONE = (404, '{"code": 20404, "message": "The requested resource was not found", "status": 404}')
BROKEN = (503, '{"code": 20503, "message": "down", "status": 503}')


class FakeTwilio(HttpClient):
    """Answers requests in order: (status, body), or an exception."""

    def __init__(self, *answers: tuple[int, str] | Exception) -> None:
        super().__init__(logging.getLogger("fake"), False)
        self.answers, self.requests, self.threads = list(answers), [], []

    def request(
        self, method, url, params=None, data=None, headers=None, auth=None, timeout=None, allow_redirects=False
    ):
        self.requests.append((method, url, data, auth))
        self.threads.append(threading.current_thread())
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return Response(*answer)


OK = (200, f'{{"sid": "{CALL}", "status": "completed"}}')


def rest(*answers: tuple[int, str] | Exception, **where: str) -> tuple[TwilioRest, FakeTwilio]:
    http = FakeTwilio(*answers)
    return TwilioRest(ACCOUNT, ACCOUNT, SECRET, http=http, **where), http


def unused(call_sid: str, twiml: str) -> None:
    pytest.fail("REST does the work")


# ---- TwiML


def test_connect_stream():
    assert connect_stream(
        "wss://h/twilio/media", {"token": "t&1", "caller": ""}, status_callback="https://h/s", action="https://h/a"
    ) == (
        '<?xml version="1.0" encoding="UTF-8"?><Response><Connect action="https://h/a">'
        '<Stream statusCallback="https://h/s" statusCallbackMethod="POST" url="wss://h/twilio/media">'
        '<Parameter name="token" value="t&amp;1" /></Stream></Connect></Response>'
    )


def test_the_other_documents():
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    assert reject() == f'{head}<Response><Reject reason="busy" /></Response>'
    assert hang_up() == f"{head}<Response><Hangup /></Response>"
    assert dial(NUMBER) == f"{head}<Response><Dial>{NUMBER}</Dial></Response>"
    sip = "sip:desk@example.com?a=1&b=2"
    assert dial(sip) == f"{head}<Response><Dial><Sip>{sip.replace('&', '&amp;')}</Sip></Dial></Response>"


@given(st.text(), st.text(max_size=700))
def test_parameters_come_back_whole_up_to_twilios_limit(caller, called):
    twiml = connect_stream("wss://h/m", {"caller": caller, "called": called}, status_callback="", action="")
    back = parse_twiml(twiml).parameters
    for name, value in (("caller", caller), ("called", called)):
        kept = "".join(c for c in value if c.isprintable())[: 500 - len(name)]
        assert back.get(name, "") == kept
        assert len(name) + len(back.get(name, "")) <= 500


@pytest.mark.parametrize("number", ["+15550199", "15550199", "112", "sip:a@b.example", "sips:a@b.example:5061"])
def test_where_a_call_may_go(number):
    assert plain_target(number) == number


@pytest.mark.parametrize(
    "number",
    ["", "+", "12", "+1555 0199", "+15550199\n", "1" * 16, "tel:+15550199", "sip:", "sip:a b@c", "sip:<x>@y", "٣٣٣٣"],
)
def test_where_a_call_may_not_go(number):
    with pytest.raises(CarrierError) as caught:
        plain_target(number)
    assert not number or len(number) < 4 or number not in str(caught.value)


# ---- REST


async def test_hang_up_and_transfer():
    api, http = rest(OK, OK)
    control = TwilioControl(api, CALL, unused)
    await control.hang_up()
    await control.transfer(NUMBER)
    url = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Calls/{CALL}.json"
    assert http.requests == [
        ("POST", url, {"Status": "completed"}, (ACCOUNT, SECRET)),
        ("POST", url, {"Twiml": dial(NUMBER)}, (ACCOUNT, SECRET)),
    ]
    assert threading.main_thread() not in http.threads


async def test_a_regional_account():
    api, http = rest(OK, edge="dublin", region="ie1")
    await api.update(CALL, status="completed")
    assert http.requests[0][1].startswith("https://api.dublin.ie1.twilio.com/")


async def test_a_call_that_is_gone_is_no_error():
    api, http = rest(GONE)
    await api.update(CALL, status="completed")
    assert len(http.requests) == 1


async def test_a_fault_of_twilios_is_tried_again_once():
    api, http = rest(BROKEN, OK)
    await api.update(CALL, status="completed")
    assert len(http.requests) == 2
    api, http = rest(BROKEN, BROKEN)
    with pytest.raises(CarrierError, match="HTTP 503, code 20503"):
        await api.update(CALL, status="completed")
    assert len(http.requests) == 2


async def test_too_many_requests_are_tried_again_once():
    api, http = rest((429, '{"code": 20429, "message": "slow down", "status": 429}'), OK)
    await api.update(CALL, status="completed")
    assert len(http.requests) == 2


@pytest.mark.parametrize(
    "answer",
    [
        (400, f'{{"code": 21201, "message": "No number in {NUMBER}: {SECRET}", "status": 400}}'),
        (401, f'{{"code": 20003, "message": "{SECRET}", "status": 401}}'),
        (500, SECRET),
        Unreachable(f"https://{ACCOUNT}:{SECRET}@api.twilio.com"),
        TimeoutError(f"{SECRET} {NUMBER}"),
    ],
)
async def test_refusals_hold_no_secret_and_no_number(answer):
    api, _ = rest(answer, answer)
    with pytest.raises(CarrierError) as caught:
        await TwilioControl(api, CALL, unused).transfer(NUMBER)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert NUMBER not in told


async def test_the_library_logs_no_request(caplog):
    """With requests sent for real, to a port where nobody listens."""
    caplog.set_level(logging.DEBUG)
    api = TwilioRest(ACCOUNT, ACCOUNT, SECRET)
    api._client.http_client.proxy = {"https": "http://127.0.0.1:9"}
    with pytest.raises(CarrierError, match="could not be reached"):
        await api.update(CALL, twiml=dial(NUMBER))
    assert SECRET not in caplog.text
    assert NUMBER not in caplog.text
    assert "BEGIN Twilio API Request" not in caplog.text


# ---- without credentials


@pytest.mark.parametrize("given", [(), (ACCOUNT,), (ACCOUNT, ACCOUNT, ""), ("", "SK0", SECRET)])
async def test_without_credentials_the_twiml_after_the_stream_does_it(given):
    kept = {}
    control = TwilioControl(TwilioRest(*given), CALL, kept.__setitem__)
    await control.hang_up()
    assert kept == {}
    await control.transfer(NUMBER)
    assert kept == {CALL: dial(NUMBER)}
    with pytest.raises(CarrierError):
        await control.transfer("<Dial/>")


async def test_keys_cannot_be_pressed():
    with pytest.raises(CarrierError, match="press keys"):
        await TwilioControl(TwilioRest(), CALL, unused).send_digits("1")
