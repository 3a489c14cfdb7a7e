"""The agents of a server: one language model for all, one factory for each configured agent."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

from pipelines import events as ev
from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.factory import AgentFactory, Endpoint
from pipelines.adapters.agent.openai_agents import AgentLimits, OpenAIAgent
from server import agent_config as config
from server import phrases
from server.config import AgentConfig, Config
from server.folders import data_dir
from server.model_config import LlmSettings
from server.tools.http import HttpTool
from server.tools.mcp import McpServer
from server.tools.toolbox import Toolbox

_THREADS_PER_SLOT = 4
"""Below this many threads one slot serves all calls in turn: a second one would halve both, and a request that lands on a slot
without the prompt's prefix computes all of it again (8 s for 600 tokens on two cores)."""


class Agents:
    """Opened with `await Agents.open(config, progress)`."""

    def __init__(
        self, data: Path, now: Callable[[], datetime], shared: Mapping[str, EmbeddedEngine], patience: float
    ) -> None:
        self._data, self._now = data, now
        self._shared, self._patience = shared, patience
        self._engines: dict[str, EmbeddedEngine] = {}
        self._toolboxes: list[Toolbox] = []
        self._factories: dict[str, AgentFactory] = {}
        self._phrases: dict[str, Mapping[str, Sequence[str]]] = {}
        self.llm: EmbeddedEngine | Endpoint | None = None
        """The language model, fallbacks aside; None where no agent needs one."""

    @classmethod
    async def open(
        cls,
        settings: Config,
        progress: Callable[[str], None],
        *,
        data: Path | None = None,
        now: Callable[[], datetime] = datetime.now,
        engines: Mapping[str, EmbeddedEngine] | None = None,
        patience: float = 1.0,
    ) -> "Agents":
        """`data`: where shipped tools keep their databases, None for `data_dir()`; `now`: local time; `engines`: language models that run
        already, by name, and are closed by who started them; `patience`: by how much longer models and tools may take, where nobody waits on the line."""
        agents = cls(data or data_dir(), now, engines or {}, patience)
        try:
            for agent in settings.agents:
                if agent.kind == "llm":
                    await agents._add(settings, agent, progress)
        except BaseException:
            await agents.close()
            raise
        return agents

    async def _add(self, settings: Config, agent: AgentConfig, progress: Callable[[str], None]) -> None:
        self.llm = llm = await self._llm(settings, settings.models.llm, progress)
        fallback = settings.models.llm_fallback and await self._llm(settings, settings.models.llm_fallback, progress)
        toolbox = await Toolbox.open(
            agent.tools,
            http=[_http_tool(tool) for tool in agent.http_tools],
            mcp=[_mcp_server(server) for server in agent.mcp_servers],
            transfer_number=agent.transfer_number,
            keypad=agent.keypad,
            data=self._data,
            today=self._now().date(),
            goodbye=agent.goodbye,
        )
        self._toolboxes.append(toolbox)
        self._phrases[agent.name] = toolbox.phrases
        factory = AgentFactory(
            llm,
            instructions=agent.instructions,
            examples=toolbox.examples,
            tools=toolbox.tools,
            fallback=fallback or None,
            limits=_limits(agent, settings.models.llm, self._patience),
            notes={
                label: dict.fromkeys(agent.languages, text) if isinstance(text, str) else text
                for label, text in agent.emotion.items()
            }
            | {"known_caller": phrases.KNOWN_CALLER},
            fallback_limits=settings.models.llm_fallback
            and _limits(agent, settings.models.llm_fallback, self._patience),
        )
        progress(f"prompt of {agent.name}")
        await factory.warm(agent.languages, self._now())
        self._factories[agent.name] = factory

    async def _llm(
        self, settings: Config, llm: LlmSettings, progress: Callable[[str], None]
    ) -> EmbeddedEngine | Endpoint:
        if llm.kind == "openai":
            return endpoint(llm)
        if llm.model in self._shared:
            return self._shared[llm.model]
        if llm.model not in self._engines:
            progress(llm.model)
            slots = max(1, llm.threads // _THREADS_PER_SLOT)
            self._engines[llm.model] = await start_engine(settings, llm, slots=slots)
        return self._engines[llm.model]

    def of(self, agent: AgentConfig, started: ev.CallStarted) -> OpenAIAgent:
        """The agent of a call that has just started."""
        factory = self._factories[agent.name]
        return factory.open(started.call_id, started.caller, started.called, agent.languages[0], self._now())

    def phrases(self, agent: AgentConfig) -> list[tuple[str, str]]:
        """(text, language) of what the agent's tools say word for word again and again."""
        said = self._phrases.get(agent.name, {})
        return [(text, language) for language in agent.languages for text in said.get(language, ())]

    async def close(self) -> None:
        for toolbox in self._toolboxes:
            await toolbox.close()
        for factory in self._factories.values():
            await factory.close()
        for engine in self._engines.values():
            await engine.close()


def endpoint(llm: LlmSettings) -> Endpoint:
    """A language model that is reached over the network."""
    key = llm.api_key.get_secret_value() if llm.api_key else ""
    return Endpoint(base_url=llm.base_url or "", model=llm.model, api_key=key)


async def start_engine(settings: Config, llm: LlmSettings, *, slots: int) -> EmbeddedEngine:
    """A language model of the store, on this machine. Raises ModelError."""
    path = await asyncio.to_thread(settings.store().path, llm.model)
    return await EmbeddedEngine.start(path / "model.gguf", threads=llm.threads, slots=slots)


def _limits(agent: AgentConfig, llm: LlmSettings, patience: float) -> AgentLimits:
    return AgentLimits(
        first_token_s=AgentLimits().first_token_s * patience,
        tool_s=agent.tool_timeout_s * patience,
        model_s=llm.timeout_s * patience,
        temperature=llm.temperature,
    )


def _http_tool(tool: config.HttpTool) -> HttpTool:
    return HttpTool(
        tool.name,
        tool.description,
        tool.url,
        tool.method,
        tool.parameters,
        {k: v.get_secret_value() for k, v in tool.headers.items()},
        sensitive=tool.sensitive,
        proves=tool.proves,
    )


def _mcp_server(server: config.McpServer) -> McpServer:
    headers = {k: v.get_secret_value() for k, v in server.headers.items()}
    return McpServer(
        server.name, server.url or "", server.command, headers, tools=server.tools, sensitive=server.sensitive
    )
