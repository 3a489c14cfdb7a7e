"""Time limits of a model, whatever the model does."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from agents import ModelResponse
from agents.items import TResponseStreamEvent
from agents.models.interface import Model


class TimeLimited(Model):
    """Another model that raises TimeoutError when it does not begin within `first_s` or end within `total_s` seconds of
    one request."""

    def __init__(self, model: Model, first_s: float, total_s: float) -> None:
        self._model, self._first_s, self._total_s = model, first_s, total_s

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        start = asyncio.get_running_loop().time()
        deadline = start + self._first_s
        stream = aiter(self._model.stream_response(*args, **kwargs))
        try:
            while True:
                async with asyncio.timeout_at(deadline):
                    event = await anext(stream)
                deadline = start + self._total_s
                yield event
        except StopAsyncIteration:
            return
        finally:
            await stream.aclose()  # type: ignore[attr-defined]

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        async with asyncio.timeout(self._total_s):
            return await self._model.get_response(*args, **kwargs)

    async def close(self) -> None:
        await self._model.close()
