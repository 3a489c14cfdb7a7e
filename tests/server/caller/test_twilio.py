"""The simulated Twilio against a fake server, over real sockets; the clock is the machine's, the limits are wide."""

import asyncio

import pytest
from twilio.request_validator import RequestValidator

from server.caller.line import CallRefused
from server.caller.script import load_clip
from server.caller.twilio import TwilioLine, parse_twiml
from tests.helpers.fake_server import FORMS, STATUSES, FakeAgent, fake_server

NUMBERS = {"caller": "+15550123", "called": "+15550100"}


async def test_the_webhook_is_called_and_signed_as_twilio_does() -> None:
    async with fake_server() as (url, app):
        line = await TwilioLine.dial(f"{url}/twilio/voice", token="secret", **NUMBERS)
        await line.hang_up()
    form, signature = app[FORMS][0]
    assert (form["From"], form["To"], form["CallSid"]) == ("+15550123", "+15550100", line.call_id)
    assert RequestValidator("secret").validate(f"{url}/twilio/voice", form, signature)
    assert app[STATUSES] == ["stream-started", "stream-stopped"]
    assert line.verbs_after == []  # he hung up: there is no call to go on with


async def test_what_is_said_comes_back_from_an_echo() -> None:
    async with fake_server() as (url, _):
        line = await TwilioLine.dial(f"{url}/twilio/voice", **NUMBERS)
        clip = load_clip("en_yes")
        start, end = line.say(clip.pcm)
        await asyncio.sleep(end / 1e6 + 0.3)
        heard = line.ear.audible_from(0, line.now)
        loudness = line.ear.heard(0, line.now)
        await line.hang_up()
    assert heard is not None
    assert heard == pytest.approx(start + 20_000, abs=60_000)  # a frame leaves when its last sample was said
    assert loudness == pytest.approx(end - start, abs=120_000)
    assert line.complaints == []


async def test_marks_come_back_when_heard_and_at_once_when_cleared() -> None:
    agent = FakeAgent(answers=1)
    async with fake_server(agent) as (url, _):
        line = await TwilioLine.dial(f"{url}/twilio/voice", **NUMBERS)
        await asyncio.sleep(0.5)
        assert agent.heard == []  # the greeting lasts a second
        line.say(load_clip("en_yes").pcm)  # the agent clears
        await asyncio.sleep(0.4)
        assert agent.heard == ["greeting"]
        assert len(line.ear.clears) == 1
        assert line.ear.heard(0, line.now) < 900_000
        line.press("5")
        assert await line.wait_ended(10)
    assert agent.heard == ["greeting", "answer 1"]
    assert agent.digits == ["5"]
    assert not line.left
    assert line.verbs_after == [("Dial", "+15550199")]


async def test_hanging_up_says_stop_and_dropping_says_nothing() -> None:
    for polite in (True, False):
        agent = FakeAgent()
        async with fake_server(agent) as (url, _):
            line = await TwilioLine.dial(f"{url}/twilio/voice", **NUMBERS)
            await asyncio.sleep(0.05)
            await (line.hang_up() if polite else line.drop())
            assert line.left
            await asyncio.sleep(0.05)
        assert agent.stopped is polite


@pytest.mark.parametrize("twiml", ['<Response><Reject reason="busy"/></Response>', "<Response/>", "busy"])
def test_a_call_that_is_not_connected_is_refused(twiml: str) -> None:
    with pytest.raises(CallRefused):
        parse_twiml(twiml)


def test_twiml_with_relative_addresses() -> None:
    stream = parse_twiml(
        '<Response><Connect action="/after"><Stream url="wss://h/m" statusCallback="status">'
        '<Parameter name="a" value="1"/></Stream></Connect></Response>',
        "https://h/twilio/voice",
    )
    assert (stream.action, stream.callback) == ("https://h/after", "https://h/twilio/status")
    assert stream.parameters == {"a": "1"}
