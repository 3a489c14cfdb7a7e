import asyncio
from collections.abc import Iterator

from aiohttp.test_utils import make_mocked_request

from server.console import responses


async def test_calls_get_the_loop_back_while_a_long_page_is_drawn(monkeypatch):
    turns, drawn_at = 0, []

    def pieces(template: str, **told: object) -> Iterator[str]:
        for n in range(3):
            drawn_at.append(turns)
            yield str(n)

    async def call() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    monkeypatch.setattr(responses, "pieces", pieces)
    monkeypatch.setattr(responses, "_STRETCH_S", 0.0)
    under_way = asyncio.create_task(call())
    response = await responses.listed(make_mocked_request("GET", "/"), "any")
    under_way.cancel()
    assert response.body == b"012"
    assert drawn_at[-1] > 0
