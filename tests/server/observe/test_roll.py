import asyncio

from structlog.testing import capture_logs

from server.observe.roll import call_the_roll
from tests.helpers.houses import open_house


async def test_every_live_call_tells_its_state_and_no_number():
    agents = [{"name": "line", "kind": "echo"}]
    async with open_house({"agents": agents}) as (house, http), http.ws_connect("/ws") as socket:
        await socket.send_json({"event": "start", "conversation_id": "c1", "from": "+33612345678"})
        async with asyncio.timeout(5):
            while not house.sessions:  # noqa: ASYNC110
                await asyncio.sleep(0.005)
        with capture_logs() as logs:
            call_the_roll(house.sessions)
    call, count = logs
    assert count == {"event": "live_calls", "calls": 1, "log_level": "info"}
    assert call["floor"] == "nobody"
    assert call["call_id"]
    assert "call_limit" in call["deadlines_ms"]
    assert "612345678" not in repr(logs)
