"""What is wrong between parts of a configuration that are sound by themselves, in words: `key: what is wrong. mend`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pipelines.adapters.kinds import known
from pipelines.errors import ModelError
from server.agent_config import plain_number

if TYPE_CHECKING:
    from server.agent_config import AgentConfig
    from server.config import Config


def clashes(config: "Config") -> list[str]:
    """The problems between parts that are sound by themselves: agents, voices and models that do not go together."""
    return [*_agent_clashes(config), *_model_clashes(config)]


def _agent_clashes(config: "Config") -> Iterator[str]:
    names: dict[str, int] = {}
    numbers: dict[str, int] = {}
    for i, agent in enumerate(config.agents):
        first = names.setdefault(agent.name, i)
        if first != i:
            yield f"agents[{i}].name: agents[{first}] is called so too. Give it another name."
        for number in map(plain_number, agent.numbers) if agent.numbers else [""]:
            first = numbers.setdefault(number, i)
            if first != i and number:
                yield f"agents[{i}].numbers: {number} is answered by agents[{first}]. Remove it from one of them."
            elif first != i:
                yield f"agents[{i}].numbers: agents[{first}] has none either, and takes the rest. Give one numbers."
        for key, port in (
            ("emotion", "emotion"),
            ("sentiment", "sentiment"),
            ("follow_caller", "speaker"),
            ("known_callers", "speaker"),
        ):
            if getattr(agent, key) and getattr(config.models, port).model == "none":
                yield f"agents[{i}].{key}: there is no model for it. Name one as models.{port}.model, or drop it."
        yield from _unprovable(i, agent)
        if agent.kind == "llm":
            for language in agent.languages:
                if language not in agent.voices and language not in config.models.tts:
                    yield f"agents[{i}].languages: no voice speaks {language}. Add [models.tts.{language}], or drop it."


def _unprovable(i: int, agent: "AgentConfig") -> Iterator[str]:
    """Sensitive tools where nothing can prove who calls: they would never run. What a function may do is not known here."""
    if any(tool.proves for tool in agent.http_tools) or any(":" in tool for tool in agent.tools):
        return
    keys = [f"http_tools[{n}]" for n, tool in enumerate(agent.http_tools) if tool.sensitive]
    keys += [f"mcp_servers[{n}]" for n, server in enumerate(agent.mcp_servers) if server.sensitive]
    for key in keys:
        yield f"agents[{i}].{key}.sensitive: nothing can prove who calls. Add a tool that does (`proves`), or drop it."


def _model_clashes(config: "Config") -> Iterator[str]:
    try:
        registry = config.registry()
    except ModelError as error:
        yield f"models.manifests: {error}"
        return
    for key, port, kind, name in config.wanted_models():
        if not name:
            if any(card.port == port and kind in ("", card.kind) for card in registry):
                yield f"{key}: {kind or port} needs a model. Add it."
            continue
        try:
            card = registry[name]
        except ModelError as error:
            yield f"{key}: {error}"
            continue
        if card.port != port:
            others = ", ".join(other.name for other in registry if other.port == port)
            yield f"{key}: {name} is a model for {card.port}, not for {port}. Take one of {others}."
        elif known(port) and card.kind not in known(port):
            yield f"{key}: nothing here runs {name}, of kind {card.kind}. Known kinds: {', '.join(known(port))}."
        elif kind and card.kind != kind:
            yield f'{key}: {name} is run by kind = "{card.kind}", not "{kind}". Change the one or the other.'
