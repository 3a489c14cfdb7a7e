"""The shared models, as one call sees them."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipelines import actions as do
from pipelines import events as ev
from pipelines.frames import AudioFormat
from server.config import AgentConfig
from server.engines import Engines
from server.inference.hold import hold_music

Deliver = Callable[[ev.Event], None]


class CallModels:
    """Requests return at once; answers come through `deliver` on the event loop. After `close` nothing more comes."""

    def __init__(
        self, engines: Engines, agent: AgentConfig, outbound: AudioFormat, languages: Sequence[str], deliver: Deliver
    ) -> None:
        self._stream = engines.voice.open(deliver) if engines.voice is not None else None
        self._transcriber = engines.transcribe
        self._judge = engines.turn
        self._speaker = engines.speaker(agent)
        self._outbound, self._languages = outbound, tuple(languages)
        self._hot_words = ", ".join(agent.hot_words)
        self._hold_music = agent.hold_music
        self._deliver = deliver

    def analyze(self, first: int, audio: NDArray[np.float32]) -> None:
        if self._stream is not None:
            self._stream.analyze(first, audio)

    def transcribe(self, action: do.Transcribe, audio: NDArray[np.float32]) -> None:
        languages = (action.language,) if action.language else self._languages
        self._transcriber.submit(action, audio, languages, self._hot_words, self._deliver, self)

    def judge(self, action: do.JudgeTurn, audio: NDArray[np.float32]) -> None:
        if self._judge is not None:
            self._judge.submit(action, audio, self._deliver, self)

    def synthesize(self, action: do.Synthesize) -> None:
        if action.text == do.HOLD_MUSIC:
            music = ev.SpeechSynthesized(action.reply, action.chunk, hold_music(self._hold_music, self._outbound))
            asyncio.get_running_loop().call_soon(self._deliver, music)
            return
        self._speaker.submit(action, self._outbound, self._deliver, self)

    def cancel_reply(self, reply: int) -> None:
        if self._speaker is not None:
            self._speaker.cancel(self, reply)

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        if self._transcriber is not None:
            self._transcriber.cancel(self)
        if self._judge is not None:
            self._judge.cancel(self)
        if self._speaker is not None:
            self._speaker.cancel(self)
