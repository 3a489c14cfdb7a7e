"""A worker that runs one model on a thread, and everybody who asks it."""

import asyncio
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from typing import Any, Protocol, TypeVar

from pipelines.events import Event

WAIT = 5
"""Seconds after which a test gives up."""


class Gated(Protocol):
    """A model that can be held up: it sets `entered` when it is run, and goes on when `gate` is set."""

    gate: threading.Event
    entered: threading.Event


class Desk(ABC):
    """A worker, everything it answered as (owner, event), and everything it told as (name, value). Whoever derives from it
    makes `worker`, with `observe`, and says how it is asked."""

    worker: Any

    def __init__(self) -> None:
        self.seen: list[tuple[str, float]] = []
        self.answers: list[tuple[Hashable, Event]] = []
        self.news = asyncio.Event()

    @abstractmethod
    def ask(self, owner: Hashable, request: int) -> None: ...

    def observe(self, name: str, value: float) -> None:
        self.seen.append((name, value))

    def deliver_to(self, owner: Hashable) -> Callable[[Event], None]:
        def deliver(event: Event) -> None:
            self.answers.append((owner, event))
            self.news.set()

        return deliver

    async def answered(self, count: int) -> list[tuple[Hashable, Event]]:
        """All answers, once there are `count`."""
        async with asyncio.timeout(WAIT):
            while len(self.answers) < count:
                self.news.clear()
                await self.news.wait()
        return self.answers

    def count(self, name: str) -> float:
        """The sum of what was told under a name."""
        return sum(value for seen, value in self.seen if seen == name)


D = TypeVar("D", bound=Desk)


@asynccontextmanager
async def open_desk(desk: D, model: Gated, thread: str) -> AsyncIterator[D]:
    """Closes the worker afterwards; no thread whose name begins with `thread` may be left."""
    yield desk
    model.gate.set()
    await desk.worker.aclose()
    assert not [t for t in threading.enumerate() if t.name.startswith(thread)]


async def busy(desk: Desk, model: Gated, request: int = 99) -> None:
    """The model is held up with a request of another call."""
    model.gate.clear()
    desk.ask("busy", request)
    assert await asyncio.to_thread(model.entered.wait, WAIT)


async def close_while_asked(desk: Desk, model: Gated) -> None:
    """The worker is closed while a request runs, one waits, and another comes: none of them is answered."""
    await busy(desk, model)
    desk.ask("a", 1)
    closing = asyncio.ensure_future(desk.worker.aclose())
    await asyncio.sleep(0)
    desk.ask("a", 2)
    model.gate.set()
    await asyncio.wait_for(closing, WAIT)
    assert desk.answers == []
