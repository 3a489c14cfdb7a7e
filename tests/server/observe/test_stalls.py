import asyncio
import time

import pytest
from structlog.testing import capture_logs

from server.observe.stalls import LIMIT_S, StallWatch


def hold_up(seconds: float) -> None:
    """What nobody may do on a loop."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        time.sleep(0.001)


@pytest.fixture
def watched():
    """Stalls seen, while a watch runs on the test's loop."""

    async def run(work) -> tuple[list[float], list[dict]]:
        stalls: list[float] = []
        with capture_logs() as logs:
            watch = StallWatch(stalls.append)
            await asyncio.sleep(0.05)
            work()
            async with asyncio.timeout(5):
                while work is not idle and not stalls:  # noqa: ASYNC110
                    await asyncio.sleep(0.005)
            await asyncio.sleep(0.05)
            watch.close()
        return stalls, [line for line in logs if line["event"] == "event_loop_stalled"]

    return run


def idle() -> None:
    pass


async def test_a_stall_is_counted_and_its_place_is_told(watched):
    stalls, logs = await watched(lambda: hold_up(0.3))
    assert max(stalls) > LIMIT_S
    assert any("hold_up" in place for line in logs for place in line["where"])


async def test_the_same_place_is_told_once_a_minute():
    stalls: list[float] = []
    with capture_logs() as logs:
        watch = StallWatch(stalls.append)
        for _ in range(3):
            await asyncio.sleep(0.05)
            time.sleep(0.2)  # noqa: ASYNC251 - the stall
        await asyncio.sleep(0.05)
        watch.close()
    assert len(stalls) >= 3
    places = [tuple(line["where"])[-1] for line in logs if "test_stalls" in str(line["where"])]
    assert len(places) == len(set(places))


async def test_no_local_of_the_stalled_code_is_logged(watched):
    def work(words: str = "my number is 4242") -> None:
        hold_up(0.2)

    _, logs = await watched(work)
    assert logs
    assert "4242" not in repr(logs)
