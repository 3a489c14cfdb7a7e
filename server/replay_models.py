"""What `allo replay --models` takes from a server's configuration."""

import asyncio
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

import numpy as np

from pipelines import actions as do
from pipelines import events as ev
from pipelines.errors import ConfigError
from pipelines.models.ports import Agent, Audio, Denoiser, TextToSpeech, VoiceActivity
from pipelines.models.store import Store
from pipelines.replay.answers import Judges
from pipelines.replay.dump import Meta
from server.agents import Agents
from server.cli_replay import ReplayModels
from server.config import AgentConfig, Config, load
from server.engines import cache_dir, load_denoiser, load_model, load_stt, load_vad, load_voice, recurring
from server.inference.hold import hold_music
from server.inference.phrase_cache import PhraseCache, phrase_key
from server.inference.voicing import Pcm, finished_pieces, wire_audio
from server.observe import log
from server.settings import call_settings, measured

Progress = Callable[[str], None]


@contextmanager
def open_models(path: Path | None, meta: Meta, with_agent: bool, progress: Progress) -> Iterator[ReplayModels]:
    """Ears and voices for the call that `meta` tells of; `with_agent`: its language model and tools too.

    `path`: the configuration, None for the example. The agent is the one that took the call, or the configuration's
    first; `progress` is told what is loaded next. Raises AlloError.
    """
    log.configure("warning", as_json=False)
    with models_of(load(path), meta, with_agent, progress) as models:
        yield models


@contextmanager
def models_of(config: Config, meta: Meta, with_agent: bool, progress: Progress) -> Iterator[ReplayModels]:
    """As `open_models`, of a configuration that is at hand."""
    agent = next((a for a in config.agents if a.name == meta.agent), config.agents[0])
    if agent.kind == "echo":
        raise ConfigError(
            f"the agent {agent.name} is a line test: it has no models to replay with. Choose another configuration."
        )
    store = config.store()
    progress(config.models.vad.model)
    voice_activity, denoiser = load_vad(store, config), load_denoiser(store, config)
    progress(config.models.stt.model)
    speech_to_text = load_stt(store, config.models.stt, config.models.stt.model)
    voices = {}
    for language in agent.languages:
        progress(f"the voice for {language}")
        voices[language] = load_voice(store, config.voice(agent, language), language)
    progress(f"phrases of {agent.name}")
    cache = PhraseCache(cache_dir())
    phrases = {}  # what a server has ready before its first call
    for text, language in recurring(agent):
        voice = voices[language]
        pcm = _phrase(cache, voice, text, language)
        phrases[text, language] = wire_audio(pcm, voice.sample_rate, meta.outbound)

    def speak(action: do.Synthesize) -> Iterator[bytes]:
        if action.text == do.HOLD_MUSIC:
            yield hold_music(agent.hold_music, meta.outbound)
            return
        voice = voices.get(action.language)
        if voice is None:
            raise ConfigError(f"no voice speaks {action.language}: choose a configuration whose agent does")
        if (action.text, action.language) in phrases:
            yield phrases[action.text, action.language]
            return
        for pcm in finished_pieces(voice, action.text, action.language):
            yield wire_audio(pcm, voice.sample_rate, meta.outbound)

    judges = _judges(store, config, agent)
    with ExitStack() as stack:
        yield ReplayModels(
            settings=measured(
                call_settings(config, agent), config.models, judges.emotion, judges.speaker, judges.overlap
            ),
            voice_activity=voice_activity if denoiser is None else Denoised(voice_activity, denoiser),
            speech_to_text=speech_to_text,
            speak=speak,
            agent=stack.enter_context(_open_agent(config, agent, meta, progress)) if with_agent else None,
            agent_name=agent.name,
            hot_words=", ".join(agent.hot_words),
            judges=judges,
        )


def _judges(store: Store, config: Config, agent: AgentConfig) -> Judges:
    """The same as `Engines` loads for that agent."""
    names = {
        "turn": config.models.turn.model,
        "overlap": config.models.overlap.model,
        "emotion": config.models.emotion.model if agent.emotion else "none",
        "sentiment": config.models.sentiment.model if agent.sentiment else "none",
    }
    names["speaker"] = config.models.speaker.model if agent.tells_voices else "none"
    return Judges(**{port: load_model(store, name) for port, name in names.items() if name != "none"})


def _phrase(cache: PhraseCache, voice: TextToSpeech, text: str, language: str) -> Pcm:
    key = phrase_key(voice.identity, language, text, voice.sample_rate)
    kept = cache.get(key)
    if kept is None:
        pieces = list(finished_pieces(voice, text, language))
        kept = np.concatenate(pieces) if pieces else np.zeros(0, np.int16)
        with suppress(OSError):  # then it is said again the next time
            cache.put(key, kept)
    return kept


class Denoised:
    """A voice detector that hears what a denoiser leaves, as in a server; its state is both models' states."""

    def __init__(self, voice_activity: VoiceActivity, denoiser: Denoiser) -> None:
        self._voice_activity, self._denoiser = voice_activity, denoiser
        self.window = voice_activity.window

    def initial_state(self) -> Any:
        return self._voice_activity.initial_state(), self._denoiser.initial_state()

    def analyze(self, windows: Sequence[Audio], states: Sequence[Any]) -> tuple[list[float], list[Any]]:
        cleaned = [self._denoiser.denoise(audio, noise) for audio, (_, noise) in zip(windows, states, strict=True)]
        clean = [audio for audio, _ in cleaned]
        p_speech, heard = self._voice_activity.analyze(clean, [state for state, _ in states])
        return p_speech, [(state, noise) for state, (_, noise) in zip(heard, cleaned, strict=True)]


# ---- the agent


class SettlingAgent(Agent, Protocol):
    """An agent that computes in the background between replies."""

    async def settled(self) -> None:
        """Wait until nothing is computed in the background."""
        ...

    async def held(self, reply: int) -> None:
        """Wait until the speculative `reply` waits for its commit; for ever if it does not."""
        ...


class LiveAgent:
    """A real agent in virtual time. Its event loop runs only while an answer is waited for.

    What it computes in the background once its words were heard is waited for and takes no virtual time: in a call it
    is done while the caller listens.
    """

    def __init__(self, agent: SettlingAgent, runner: asyncio.Runner) -> None:
        self._agent, self._runner = agent, runner

    def reply(self, action: do.StartReply) -> Generator[tuple[int, ev.Event | None], None, None]:
        """The agent's events, each with the microseconds that were spent waiting for them; no event when it waits for
        its commit. Closing stops the agent."""
        events = self._agent.reply(
            action.reply, action.text, action.language, attempt=action.attempt, speculative=action.speculative
        )
        coming: asyncio.Future[ev.Event | None] | None = None

        async def following() -> bool:
            """Whether the next event came, rather than that the reply is held."""
            nonlocal coming
            coming = coming or asyncio.ensure_future(anext(events, None))
            held = asyncio.create_task(self._agent.held(action.reply))
            await asyncio.wait({coming, held}, return_when=asyncio.FIRST_COMPLETED)
            held.cancel()
            return coming.done()

        async def close() -> None:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
            await events.aclose()

        waited = 0
        try:
            while True:
                began = time.perf_counter_ns()
                came = self._runner.run(following())
                waited += (time.perf_counter_ns() - began) // 1_000
                if not came:
                    yield waited, None
                    continue
                assert coming is not None
                event, coming = coming.result(), None
                if event is None:
                    return
                yield waited, event
        finally:
            self._runner.run(close())

    def commit(self, action: do.CommitReply) -> None:
        self._agent.commit(action.reply)

    def forget(self, action: do.ForgetReply) -> None:
        self._agent.forget(action.reply)

    def notice(self, action: do.Notice) -> None:
        self._agent.notice(action.fact, action.value, action.p, action.threshold)

    def remember(self, action: do.Remember) -> None:
        async def remembered() -> None:
            self._agent.remember(action.reply, action.text)
            await self._agent.settled()

        self._runner.run(remembered())


@contextmanager
def _open_agent(config: Config, agent: AgentConfig, meta: Meta, progress: Progress) -> Iterator[LiveAgent]:
    """The agent as a server opens it, for one call that begins when the recorded one began, by the clock of this
    machine; shipped tools have a fresh copy of their data, which is thrown away."""
    started = meta.started.astimezone().replace(tzinfo=None)
    alone = config.model_copy(update={"agents": [agent]})
    call = ev.CallStarted(meta.call_id, meta.carrier, meta.inbound, meta.outbound, meta.caller, meta.called)
    leaving = asyncio.Event()

    async def stay(data: Path, opened: asyncio.Future[Agents]) -> None:
        """Opens and closes in one task, as MCP's clients want it."""
        agents = await Agents.open(alone, progress, data=data, now=lambda: started)
        try:
            opened.set_result(agents)
            await leaving.wait()
        finally:
            await agents.close()

    async def enter(data: Path) -> tuple[Agents, asyncio.Task[None]]:
        opened: asyncio.Future[Agents] = asyncio.get_running_loop().create_future()
        staying = asyncio.create_task(stay(data, opened), name="replay-agents")
        await asyncio.wait((staying, opened), return_when=asyncio.FIRST_COMPLETED)
        if staying.done():
            staying.result()
        return opened.result(), staying

    async def leave(staying: asyncio.Task[None]) -> None:
        leaving.set()
        await staying

    # Left by Ctrl-C while it enters, the runner cancels `stay`, and so waits for the engine's end.
    with TemporaryDirectory(prefix="allo-replay-") as data, asyncio.Runner() as runner:
        agents, staying = runner.run(enter(Path(data)))
        try:
            yield LiveAgent(agents.of(agent, call), runner)
        finally:
            runner.run(leave(staying))
