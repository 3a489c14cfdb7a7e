"""What `allo replay --models` takes from a server's configuration."""

from collections.abc import Iterator
from pathlib import Path

from pipelines import actions as do
from pipelines.errors import ConfigError
from pipelines.frames import AudioFormat
from server.cli_replay import ReplayModels
from server.config import load
from server.engines import load_stt, load_vad, load_voice
from server.inference.voicing import finished_pieces, wire_audio
from server.settings import call_settings


def open_models(path: Path | None, agent_name: str, outbound: AudioFormat, with_agent: bool) -> ReplayModels:
    """Load ears and voices; `with_agent`: the language model and tools too. Raises AlloError."""
    config = load(path)
    agent = next((a for a in config.agents if a.name == agent_name), config.agents[0])
    if agent.kind == "echo":
        raise ConfigError(
            f"the agent {agent.name} is a line test: it has no models to replay with. Choose another configuration."
        )
    store = config.store()
    voices = {language: load_voice(store, config.voice(agent, language), language) for language in agent.languages}

    def speak(action: do.Synthesize) -> Iterator[bytes]:
        voice = voices[action.language]
        for pcm in finished_pieces(voice, action.text, action.language):
            yield wire_audio(pcm, voice.sample_rate, outbound)

    return ReplayModels(
        settings=call_settings(config, agent),
        voice_activity=load_vad(store, config),
        speech_to_text=load_stt(store, config.models.stt, config.models.stt.model),
        speak=speak,
        agent=None,
        hot_words=", ".join(agent.hot_words),
    )
