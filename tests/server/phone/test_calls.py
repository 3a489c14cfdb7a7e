"""Calls from the browser over real sockets and real WebRTC on loopback, to a real server."""

import asyncio

import pytest

from tests.helpers.houses import open_house
from tests.helpers.phone_page import RtcPage, SocketPage, tone

ECHO = {"agents": [{"name": "echo", "kind": "echo"}, {"name": "second", "kind": "echo"}]}


@pytest.fixture(params=[RtcPage, SocketPage])
async def page(request):  # aiortc takes the loop of the moment
    return request.param()


async def test_the_caller_hears_himself_and_is_told_what_happens(page):
    async with open_house(ECHO) as (house, http):
        await page.call(http)
        if isinstance(page, RtcPage):
            page.microphone.say(tone(2))
        else:
            await page.speak(tone(0.5))
        await page.until(page.loud)
        assert page.facts("state")[0]["state"] == "listening"
        (live,) = house.sessions.values()
        assert (live.carrier, live.agent) == ("phone", "echo")
        message = {"type": "hangup"}
        page.say(message) if isinstance(page, RtcPage) else await page.socket.send_json(message)
        await page.until(lambda: page.facts("ended"))
        assert page.facts("ended")[0]["reason"] == "caller"
        await page.close()
        await page.over.wait()
    assert not house.sessions


async def test_the_agent_that_was_chosen_answers(page):
    async with open_house(ECHO) as (house, http):
        await page.call(http, "second")
        await page.until(lambda: page.facts("state"))
        assert [live.agent for live in house.sessions.values()] == ["second"]
        await page.close()


async def test_a_page_that_goes_away_ends_its_call(page):
    async with open_house(ECHO) as (house, http):
        await page.call(http)
        await page.until(lambda: page.facts("state"))
        (live,) = house.sessions.values()
        watching = live.watch()
        await page.close()
        async with asyncio.timeout(10):
            facts = [fact async for fact in watching]
        assert facts[-1].reason == "lost"


async def test_the_server_stops_and_says_so(page):
    async with open_house(ECHO) as (house, http):
        await page.call(http)
        await page.until(lambda: page.facts("state"))
        await house.close()
        await page.until(lambda: page.facts("ended"))
        assert page.facts("ended")[0]["reason"] == "shutdown"
        await page.close()
