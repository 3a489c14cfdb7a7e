"""A conversation in text: the agent alone, with its tools and its memory, and no sound. As quick as its language model."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import msgspec

from pipelines import events as ev
from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.openai_agents import OpenAIAgent
from pipelines.errors import AlloError, ConfigError
from pipelines.frames import TELEPHONE
from server.agents import Agents, endpoint, start_engine
from server.config import AgentConfig, Config
from server.model_config import LlmSettings
from server.simulate.callers import Llm, Played, Scripted, asked
from server.simulate.rules import Exchange, Judge, Run, ToolUse, Verdict
from server.simulate.suite import Scenario, Suite

_PATIENCE = 20.0  # what is judged is what the agent says; how fast, calls tell


class TextMode:
    """Plays scenarios against one agent of a configuration. Use as an async context manager: language models are loaded once, and tools have a fresh
    copy of their data in every run."""

    def __init__(
        self, config: Config, suite: Suite, *, parallel: int, judging: bool, progress: Callable[[str], None]
    ) -> None:
        self._config, self._suite = config, suite
        self._agent = agent_of(config, suite)
        self._parallel, self._judging, self._progress = parallel, judging, progress
        self._engines: dict[str, EmbeddedEngine] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> "TextMode":
        try:
            own = self._config.models.llm
            await self._llm(own)
            if any(scenario.goal for scenario in self._suite.scenario):
                self.caller = await self._llm(self._suite.caller or own)
            if self._judging:
                self.judge = await self._llm(self._suite.judge or own)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _llm(self, settings: LlmSettings) -> Llm:
        if settings.kind == "openai":
            return endpoint(settings)
        if settings.model not in self._engines:
            self._progress(settings.model)
            engine = await start_engine(self._config, settings, slots=self._parallel)
            self._engines[settings.model] = engine
            self._stack.push_async_callback(engine.close)
        return self._engines[settings.model]

    async def play(self, scenario: Scenario, run: int) -> Run:
        """One run."""
        agent = speaking(self._agent, scenario.language)
        greeting = agent.greeting[agent.languages[0]]
        now = self._suite.now or datetime.now()
        exchanges: list[Exchange] = []
        verdicts: list[Verdict] = []
        fault = ""
        with TemporaryDirectory(prefix="allo-simulate-") as data:
            database = Path(data) / self._suite.database if self._suite.database else None
            judge = Judge(self._suite, scenario, database, now.date())
            alone = self._config.model_copy(update={"agents": [agent]})
            try:
                agents = await Agents.open(
                    alone, lambda _: None, data=Path(data), now=lambda: now, engines=self._engines, patience=_PATIENCE
                )
                try:
                    started = ev.CallStarted(f"simulated-{run}", "text", TELEPHONE, TELEPHONE, scenario.caller, "")
                    await self._talk(agents.of(agent, started), scenario, run, greeting, judge, exchanges, verdicts)
                finally:
                    await agents.close()
                verdicts += judge.of_call(exchanges)
                if self._judging:
                    verdicts += await asked(scenario.asks, greeting, exchanges, self.judge)
            except AlloError as error:
                fault = str(error)
        return Run(scenario.name, scenario.language, run, greeting, tuple(exchanges), tuple(verdicts), fault)

    async def _talk(
        self,
        agent: OpenAIAgent,
        scenario: Scenario,
        run: int,
        greeting: str,
        judge: Judge,
        exchanges: list[Exchange],
        verdicts: list[Verdict],
    ) -> None:
        caller = Played(scenario, self.caller, run) if scenario.goal else Scripted(scenario)
        agent.remember(0, greeting)
        while said := await caller.next(greeting, exchanges):
            exchange = await answered(agent, len(exchanges) + 1, said, scenario.language)
            verdicts += judge.of_answer(len(exchanges), exchange)
            exchanges.append(exchange)
            if exchange.hung_up or exchange.transferred:
                return


def agent_of(config: Config, suite: Suite) -> AgentConfig:
    """Whom the suite calls. Raises ConfigError."""
    agent = config.agent_named(suite.agent) if suite.agent else config.agents[0]
    if agent is None or agent.kind != "llm":
        raise ConfigError(f"agent: the configuration has no agent {suite.agent!r} that speaks. Name one of its own.")
    if lacking := sorted({scenario.language for scenario in suite.scenario} - set(agent.languages)):
        raise ConfigError(
            f"language: {agent.name} does not speak {', '.join(lacking)}. Choose other scenarios or another agent."
        )
    return agent


def speaking(agent: AgentConfig, language: str) -> AgentConfig:
    """The same agent, answering in that language first, as where its callers speak it."""
    others = [other for other in agent.languages if other != language]
    return agent.model_copy(update={"languages": [language, *others]})


async def answered(agent: OpenAIAgent, number: int, said: str, language: str) -> Exchange:
    """One exchange, remembered as if all of the answer had been heard. Raises ModelError."""
    events: list[ev.Event] = []
    start = time.perf_counter()
    first = 0.0
    async for event in agent.reply(number, said, language):
        first = first or time.perf_counter() - start
        events.append(event)
    total = time.perf_counter() - start
    exchange = exchange_of(said, events, first, total)
    agent.remember(number, exchange.answer)
    await agent.settled()
    return exchange


def exchange_of(said: str, events: Sequence[ev.Event], first_s: float = 0.0, total_s: float = 0.0) -> Exchange:
    """What the agent did, from its events."""
    return Exchange(
        said,
        "".join(event.text for event in events if isinstance(event, ev.ReplyDelta)).strip(),
        tuple(ToolUse(e.tool, _decoded(e.arguments)) for e in events if isinstance(e, ev.ToolStarted)),
        any(isinstance(event, ev.HangUpRequested) for event in events),
        any(isinstance(event, ev.TransferRequested) for event in events),
        round(first_s, 3),
        round(total_s, 3),
    )


def _decoded(arguments: str) -> dict[str, object]:
    try:
        decoded = msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return {"": arguments}
    return decoded if isinstance(decoded, dict) else {"": decoded}


class Mode(Protocol):
    """Plays one run of a scenario, as it is."""

    async def play(self, scenario: Scenario, run: int) -> Run: ...


async def play_all(
    mode: Mode, scenarios: Sequence[Scenario], runs: int, parallel: int, done: Callable[[Run], None]
) -> list[Run]:
    """Every scenario `runs` times, `parallel` at a time; `done` is told of each. In the order of the suite."""
    gate = asyncio.Semaphore(parallel)

    async def one(scenario: Scenario, run: int) -> Run:
        async with gate:
            played = await mode.play(scenario, run)
            done(played)
            return played

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(scenario, run)) for scenario in scenarios for run in range(runs)]
    return [task.result() for task in tasks]
