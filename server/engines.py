"""The models of a server, loaded once and shared by all calls: one worker for each job, one thread for each worker."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipelines.adapters import kinds
from pipelines.adapters.stt.two import Two
from pipelines.errors import ModelError
from pipelines.frames import TELEPHONE
from pipelines.models.ports import Denoiser, SpeechToText, TextToSpeech, VoiceActivity
from pipelines.models.store import Store
from pipelines.turns.policy import CallSettings
from pipelines.turns.sentences import Chunker
from server.agent_config import VoiceSettings
from server.config import AgentConfig, Config
from server.inference.hold import hold_music
from server.inference.listen import VoiceWorker
from server.inference.newest import NewestWorker
from server.inference.speak import SpeakWorker
from server.inference.transcribe import TranscribeWorker
from server.model_config import ModelSettings, SttSettings
from server.settings import emotion_limits, known_from, measured, phrases_of
from server.voice_book import KnownCallers, open_book

Progress = Callable[[str], None]
Observe = Callable[[str, float], None]


_TURN_TIMEOUT_S = 1.0  # later, the longest wait for a caller who may go on is nearly over anyway
_OVERLAP_TIMEOUT_S = 0.3  # later, the words are known
_FEELING_TIMEOUT_S = 2.0  # later, the answer that might have heeded it is being spoken


class Engines:
    """Opened with `await Engines.open(config, observe, progress)`; raises ModelError naming what is missing and the mend."""

    def __init__(self) -> None:
        self.voice: VoiceWorker | None = None
        self.transcribe: TranscribeWorker | None = None
        self.turn: NewestWorker | None = None
        self.overlap: NewestWorker | None = None
        self.emotion: NewestWorker | None = None
        self.sentiment: NewestWorker | None = None
        self.voices: NewestWorker | None = None
        self._speakers: dict[str, SpeakWorker] = {}  # by agent
        self._models = ModelSettings()

    @classmethod
    async def open(cls, config: Config, observe: Observe, progress: Progress) -> "Engines":
        engines = cls()
        try:
            await engines._load(config, observe, progress)
        except BaseException:
            await engines.close()
            raise
        return engines

    async def _load(self, config: Config, observe: Observe, progress: Progress) -> None:
        self._models = config.models
        store = config.store()
        models = config.models
        talking = [agent for agent in config.agents if agent.kind == "llm"]
        if talking or any(agent.voice_activity for agent in config.agents):
            progress(models.vad.model)
            vad = await asyncio.to_thread(load_vad, store, config)
            denoiser = await asyncio.to_thread(load_denoiser, store, config)
            self.voice = VoiceWorker(vad, denoiser, observe=observe)
        if not talking:
            return
        progress(models.stt.model)
        stt = await asyncio.to_thread(load_stt, store, models.stt, models.stt.model)
        second = (
            await asyncio.to_thread(load_stt, store, models.stt, models.stt.fallback) if models.stt.fallback else None
        )
        self.transcribe = TranscribeWorker(stt, second, timeout_s=models.stt.timeout_s, observe=observe)

        async def newest(port: str, name: str, timeout_s: float) -> NewestWorker | None:
            if name == "none":
                return None
            progress(name)
            model = await asyncio.to_thread(load_model, store, name)
            return NewestWorker(port, model, timeout_s=timeout_s, observe=observe)

        self.turn = await newest("turn", models.turn.model, _TURN_TIMEOUT_S)
        self.overlap = await newest("overlap", models.overlap.model, _OVERLAP_TIMEOUT_S)
        if any(agent.emotion for agent in talking):
            self.emotion = await newest("emotion", models.emotion.model, _FEELING_TIMEOUT_S)
            _require_emotions(talking, models, self.emotion and self.emotion.model)
        if any(agent.sentiment for agent in talking):
            self.sentiment = await newest("sentiment", models.sentiment.model, _FEELING_TIMEOUT_S)
        if any(agent.tells_voices for agent in talking):
            self.voices = await newest("speaker", models.speaker.model, _FEELING_TIMEOUT_S)
        loaded: dict[tuple[str, str], TextToSpeech] = {}

        async def voice(settings: VoiceSettings, language: str) -> TextToSpeech:
            key = language, settings.model_dump_json(exclude={"fallback"})
            if key not in loaded:
                progress(f"voice {settings.model or settings.kind}")
                loaded[key] = await asyncio.to_thread(load_voice, store, settings, language)
            return loaded[key]

        shared: dict[tuple[tuple[str, str], ...], SpeakWorker] = {}
        for agent in talking:
            wanted = [(language, config.voice(agent, language)) for language in agent.languages]
            key = tuple((language, settings.model_dump_json()) for language, settings in wanted)
            if key not in shared:
                voices = {language: await voice(settings, language) for language, settings in wanted}
                fallback = {
                    language: await voice(settings.fallback, language)
                    for language, settings in wanted
                    if settings.fallback is not None
                }
                shared[key] = SpeakWorker(voices, fallback, cache_dir=cache_dir(), observe=observe)
            self._speakers[agent.name] = shared[key]
            if agent.hold_music != "none":
                await asyncio.to_thread(hold_music, agent.hold_music, TELEPHONE)
            progress(f"phrases of {agent.name}")
            await self.warm(agent, recurring(agent))

    async def warm(self, agent: AgentConfig, texts: Sequence[tuple[str, str]]) -> None:
        """Have (text, language) ready that the agent will say."""
        speaker = self.speaker(agent)
        if speaker is not None:
            await speaker.warm(texts)

    def measured(self, settings: CallSettings) -> CallSettings:
        """A call's settings with the thresholds of the models that are loaded."""
        emotion, speaker, overlap = (worker and worker.model for worker in (self.emotion, self.voices, self.overlap))
        return measured(settings, self._models, emotion, speaker, overlap)

    def known_callers(self, number: str) -> KnownCallers | None:
        """The people who are enrolled, for a call from `number`."""
        if self.voices is None:
            return None
        speaker = self._models.speaker
        return KnownCallers(open_book(speaker.book), speaker.model, known_from(speaker, self.voices.model), number)

    def speaker(self, agent: AgentConfig) -> SpeakWorker | None:
        return self._speakers.get(agent.name)

    async def close(self) -> None:
        workers = [
            self.voice,
            self.transcribe,
            self.turn,
            self.overlap,
            self.emotion,
            self.sentiment,
            self.voices,
            *set(self._speakers.values()),
        ]
        await asyncio.gather(*(worker.aclose() for worker in workers if worker is not None))


def _require_emotions(agents: Sequence[AgentConfig], models: ModelSettings, emotion: object) -> None:
    """Raises ModelError for what an agent would wait for in vain."""
    there = emotion_limits(models, emotion)
    for agent in agents:
        if unknown := sorted(set(agent.emotion) - set(there)):
            raise ModelError(
                f"agents.emotion of {agent.name}: {models.emotion.model} has no limit for {', '.join(unknown)}, but for "
                f"{', '.join(sorted(there)) or 'none'}. Add one to models.emotion.sure, or drop it."
            )


def recurring(agent: AgentConfig) -> list[tuple[str, str]]:
    """(text, language) of what this agent's calls say without asking it: synthesized before the first call."""
    texts = []
    for language in agent.languages:
        phrases = phrases_of(agent, language)
        said = (phrases.greeting, phrases.prompt, phrases.goodbye, phrases.apology, phrases.cut_in)
        texts += [(text, language) for text in (*said, *phrases.fillers, *phrases.openers)]
        texts += chunked(phrases.goodbye, language)  # the agent says goodbye in a reply of its own
    return texts


def chunked(text: str, language: str) -> list[tuple[str, str]]:
    """(text, language) of the chunks in which a reply of these words is spoken."""
    chunker = Chunker(language)
    return [(chunk, language) for chunk in (*chunker.push(text), *chunker.finish())]


def cache_dir() -> Path:
    """Where synthesized phrases are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "allo" / "phrases"


def load_vad(store: Store, config: Config) -> VoiceActivity:
    return load_model(store, config.models.vad.model)


def load_denoiser(store: Store, config: Config) -> Denoiser | None:
    name = config.models.denoise.model
    return None if name == "none" else load_model(store, name)


def load_stt(store: Store, settings: SttSettings, name: str) -> SpeechToText:
    """`name` and, if that is the model of `settings`, beside it what hears its partials."""
    model = load_model(store, name, threads=settings.threads, beam=settings.beam)
    if name != settings.model or not settings.quick:
        return model
    return Two(model, load_model(store, settings.quick, threads=settings.threads))


def load_model(store: Store, name: str, *, threads: int = 1, beam: int = 5) -> Any:
    """The model called `name`, run by the adapter of its card's kind; one that was added must pass its self-test."""
    card, folder = store.registry[name], store.path(name)
    encoder = store.path(card.encoder) if card.encoder else None
    if name in store.registry.added:
        return kinds.load_added(card, folder, threads=threads, beam=beam, encoder=encoder)
    return kinds.load(card.port, card.kind, folder, threads=threads, beam=beam, encoder=encoder)


def load_voice(store: Store, settings: VoiceSettings, language: str) -> TextToSpeech:
    if settings.kind == "piper":
        from pipelines.adapters.tts.piper import Piper

        return Piper(store.path(settings.model), threads=os.cpu_count() or 1, speed=settings.speed)
    from pipelines.adapters.tts.kokoro import Kokoro

    return Kokoro(
        store.path(settings.model),
        voice=settings.voice,
        language=language,
        threads=os.cpu_count() or 1,
        speed=settings.speed,
    )
