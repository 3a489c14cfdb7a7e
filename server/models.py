"""The shared models, as one call sees them."""

import asyncio
from collections.abc import Callable, Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from pipelines import actions as do
from pipelines import events as ev
from pipelines.frames import AudioFormat
from pipelines.models.ports import EmotionRecognizer, OverlapDetector, SentimentAnalyzer, SpeakerEncoder, TurnDetector
from server.config import AgentConfig
from server.engines import Engines
from server.inference.hold import hold_music
from server.voice_book import BookError, KnownCallers

log = structlog.get_logger()

Deliver = Callable[[ev.Event], None]


class CallModels:
    """Requests return at once; answers come through `deliver` on the event loop. After `close` nothing more comes."""

    def __init__(
        self,
        engines: Engines,
        agent: AgentConfig,
        outbound: AudioFormat,
        languages: Sequence[str],
        deliver: Deliver,
        caller: str = "",
    ) -> None:
        """`caller`: his number, "" when withheld."""
        self._stream = engines.voice.open(deliver) if engines.voice is not None else None
        self._transcriber = engines.transcribe
        self._judge = engines.turn
        self._overlap = engines.overlap
        self._emotion = engines.emotion if agent.emotion else None
        self._sentiment = engines.sentiment if agent.sentiment else None
        self._voices = engines.voices if agent.tells_voices else None
        self._known = engines.known_callers(caller) if agent.known_callers else None
        self._asked: set[asyncio.Task[None]] = set()  # of the voice book
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
            detector: TurnDetector = self._judge.model
            self._judge.submit(
                action.request, lambda: ev.TurnJudged(action.request, detector.p_end(audio)), self._deliver, self
            )

    def judge_overlap(self, action: do.JudgeOverlap, audio: NDArray[np.float32]) -> None:
        if self._overlap is not None:
            detector: OverlapDetector = self._overlap.model
            self._overlap.submit(
                action.last, lambda: ev.OverlapJudged(action.last, detector.p_interruption(audio)), self._deliver, self
            )

    def perceive(self, action: do.Perceive, audio: NDArray[np.float32]) -> None:
        if self._emotion is not None:
            recognizer: EmotionRecognizer = self._emotion.model
            self._emotion.submit(
                action.request,
                lambda: ev.EmotionHeard(action.request, *_likeliest(recognizer.recognize(audio))),
                self._deliver,
                self,
            )

        if self._voices is not None:
            encoder: SpeakerEncoder = self._voices.model
            self._voices.submit(
                action.request,
                lambda: ev.VoiceHeard(action.request, encoder.embed(audio).astype("<f2").tobytes()),
                self._deliver,
                self,
            )

    def identify(self, action: do.Identify) -> None:
        if self._known is not None:
            task = asyncio.get_running_loop().create_task(self._identify(self._known, action.voice))
            self._asked.add(task)
            task.add_done_callback(self._asked.discard)

    async def _identify(self, known: KnownCallers, voice: bytes) -> None:
        try:
            found = await asyncio.to_thread(known.find, np.frombuffer(voice, "<f2").astype(np.float32))
        except BookError as error:
            log.warning("voice_book_unreadable", error=str(error))
        else:
            if found is not None:
                self._deliver(ev.CallerKnown(found.name, found.score, found.threshold))

    def appraise(self, action: do.Appraise) -> None:
        if self._sentiment is not None:
            analyzer: SentimentAnalyzer = self._sentiment.model
            self._sentiment.submit(
                action.turn,
                lambda: ev.SentimentRead(action.turn, *_likeliest(analyzer.analyze(action.text, action.language))),
                self._deliver,
                self,
            )

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
        for task in self._asked:
            task.cancel()
        workers = (
            self._transcriber,
            self._judge,
            self._overlap,
            self._emotion,
            self._sentiment,
            self._voices,
            self._speaker,
        )
        for worker in workers:
            if worker is not None:
                worker.cancel(self)


def _likeliest(probabilities: dict[str, float]) -> tuple[str, float]:
    return max(probabilities.items(), key=lambda item: item[1])
