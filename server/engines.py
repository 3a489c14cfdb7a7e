"""The models of a server, loaded once and shared by all calls: one worker for each job, one thread for each worker."""

import asyncio
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipelines.adapters import kinds
from pipelines.frames import TELEPHONE
from pipelines.models.ports import Denoiser, SpeechToText, TextToSpeech, TurnDetector, VoiceActivity
from pipelines.models.store import Store
from pipelines.turns.sentences import Chunker
from server.agent_config import VoiceSettings
from server.config import AgentConfig, Config, SttSettings
from server.inference.hold import hold_music
from server.inference.listen import VoiceWorker
from server.inference.speak import SpeakWorker
from server.inference.transcribe import TranscribeWorker
from server.inference.turn import TurnWorker
from server.settings import phrases_of

Progress = Callable[[str], None]
Observe = Callable[[str, float], None]


class Engines:
    """Opened with `await Engines.open(config, observe, progress)`; raises ModelError naming what is missing and the mend."""

    def __init__(self) -> None:
        self.voice: VoiceWorker | None = None
        self.transcribe: TranscribeWorker | None = None
        self.turn: TurnWorker | None = None
        self._speakers: dict[str, SpeakWorker] = {}  # by agent

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
        store = config.store()
        models = config.models
        talking = [agent for agent in config.agents if agent.kind == "llm"]
        if talking or any(agent.analyze for agent in config.agents):
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
        if models.turn.model != "none":
            progress(models.turn.model)
        turn = await asyncio.to_thread(load_turn_detector, store, config)
        if turn is not None:
            self.turn = TurnWorker(turn, observe=observe)
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

    def speaker(self, agent: AgentConfig) -> SpeakWorker | None:
        return self._speakers.get(agent.name)

    async def close(self) -> None:
        workers = [self.voice, self.transcribe, self.turn, *set(self._speakers.values())]
        await asyncio.gather(*(worker.aclose() for worker in workers if worker is not None))


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


def load_turn_detector(store: Store, config: Config) -> TurnDetector | None:
    name = config.models.turn.model
    return None if name == "none" else load_model(store, name)


def load_stt(store: Store, settings: SttSettings, name: str) -> SpeechToText:
    return load_model(store, name, threads=settings.threads, beam=settings.beam)


def load_model(store: Store, name: str, *, threads: int = 1, beam: int = 5) -> Any:
    """The model called `name`, run by the adapter of its card's kind; one that was added must pass its self-test."""
    card, folder = store.registry[name], store.path(name)
    if name in store.registry.added:
        return kinds.load_added(card, folder, threads=threads, beam=beam)
    return kinds.load(card.port, card.kind, folder, threads=threads, beam=beam)


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
