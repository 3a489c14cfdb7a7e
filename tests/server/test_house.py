"""One server's limits, with real calls: echo lines, which need no weights."""

import asyncio

import pytest

from pipelines.analysis.files import read_analysis
from server.house import House
from tests.helpers.houses import open_house


@pytest.mark.parametrize("calls", [1, 3])
async def test_calls_that_come_at_once_never_exceed_the_limit(calls):
    config = {"server": {"max_calls": calls}, "agents": [{"name": "line", "kind": "echo"}]}
    async with open_house(config) as (house, http):
        webhooks = [http.post("/twilio/voice", data={"CallSid": f"CA{n}"}) for n in range(6)]
        bodies = [await response.text() for response in await asyncio.gather(*webhooks)]
        assert all("<Stream" in body for body in bodies)  # each was let in: none had taken a place yet
        sockets = await asyncio.gather(*(http.ws_connect("/ws") for _ in range(6)))
        await asyncio.gather(
            *(socket.send_json({"event": "start", "conversation_id": f"c{n}"}) for n, socket in enumerate(sockets))
        )
        async with asyncio.timeout(5):
            while refused(house) + len(house.sessions) < 6:  # noqa: ASYNC110 - spread over a counter and a set
                await asyncio.sleep(0.005)
        assert (len(house.sessions), refused(house)) == (calls, 6 - calls)


@pytest.mark.parametrize("analyse", [True, False])
async def test_a_recorded_call_is_analysed_if_its_agent_asks_for_it(tmp_path, analyse):
    agents = [
        {"name": "line", "kind": "echo", "analyse": analyse},
        {"name": "other", "kind": "echo", "analyse": True, "numbers": ["+15550100"]},
    ]
    config = {"recording": {"enabled": True, "dir": str(tmp_path)}, "agents": agents}
    async with open_house(config) as (house, http):
        socket = await http.ws_connect("/ws")
        await socket.send_json({"event": "start", "conversation_id": "c1"})
        async with asyncio.timeout(60):
            while not house.sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
            await socket.close()
            while not list(tmp_path.glob("*/transcript.json")):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
            while analyse and not analyses(house):  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    found = list(tmp_path.glob("*/analysis.json"))
    assert len(found) == analyse
    assert all(read_analysis(path.parent).complete for path in found)


def analyses(house: House) -> float:
    return house.metrics.registry.get_sample_value("allo_analyses_total", {"outcome": "written"}) or 0


def refused(house: House) -> float:
    return house.metrics.registry.get_sample_value("allo_refused_total", {"cause": "full"}) or 0
