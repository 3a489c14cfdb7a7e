"""What a sentence or a recording feels like, asked by a person instead of a call: through the models that calls are served by, on their threads."""

import asyncio
from collections.abc import Callable, Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.actions import Transcribe
from pipelines.errors import ModelError
from pipelines.events import Event, ModelFailed
from server.engines import Engines
from server.inference.newest import NewestWorker


class Felt(msgspec.Struct, frozen=True):
    """`text`: what was written or understood, in `language`; probabilities by label, which sum to 1: None where there are no words, no clip, or no model."""

    text: str
    language: str
    sentiment: dict[str, float] | None
    emotion: dict[str, float] | None = None


class _Answer(Event):
    probabilities: dict[str, float]


class Feelings:
    """Made on the event loop, once the engines are open."""

    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    @property
    def missing(self) -> str:
        """Why nothing can be asked at all, with the mend; "" when something can."""
        if self._engines.sentiment is None and self._engines.emotion is None:
            return "no model of feelings is loaded. Set `sentiment` or `emotion` for an agent."
        return ""

    @property
    def hears(self) -> bool:
        """Whether recordings can be asked about."""
        return self._engines.transcribe is not None and not self.missing

    async def of_text(self, text: str, language: str) -> Felt:
        """Raises ModelError."""
        return Felt(text, language, await self._sentiment(text, language))

    async def of_clip(self, audio: NDArray[np.float32], languages: Sequence[str]) -> Felt:
        """`audio`: as models get it, `server.sound.LIMIT_S` at most. Raises ModelError."""
        engines, owner = self._engines, object()
        if engines.transcribe is None:
            raise ModelError("no recogniser is loaded. Configure an agent that talks.")
        action = Transcribe(request=0, first=0, last=len(audio), final=True)
        heard = _Waiting()
        engines.transcribe.submit(action, audio, languages, "", heard, owner)
        try:
            emotion = await _asked(engines.emotion, lambda model: model.recognize(audio))
            transcript = await heard.answer
        finally:
            engines.transcribe.cancel(owner)
        sentiment = await self._sentiment(transcript.text, transcript.language)
        return Felt(transcript.text, transcript.language, sentiment, emotion)

    async def _sentiment(self, text: str, language: str) -> dict[str, float] | None:
        if not any(map(str.isalnum, text)):
            return None
        return await _asked(self._engines.sentiment, lambda model: model.analyze(text, language))


class _Waiting:
    """Takes the answer of a worker, on the loop."""

    def __init__(self) -> None:
        self.answer: asyncio.Future = asyncio.get_running_loop().create_future()

    def __call__(self, event: Event) -> None:
        if self.answer.done():  # whoever waited has gone
            return
        if isinstance(event, ModelFailed):
            self.answer.set_exception(ModelError(f"the {event.port} model failed: {event.reason}."))
        else:
            self.answer.set_result(event)


async def _asked(worker: NewestWorker | None, ask: Callable[..., dict[str, float]]) -> dict[str, float] | None:
    """What the worker's model says, in the worker's turn. Raises ModelError."""
    if worker is None:
        return None
    owner, waiting = object(), _Waiting()
    worker.submit(0, lambda: _Answer(ask(worker.model)), waiting, owner)
    try:
        return (await waiting.answer).probabilities
    finally:
        worker.cancel(owner)
