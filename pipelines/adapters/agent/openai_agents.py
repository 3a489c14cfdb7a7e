"""The agent of one call, on the openai-agents SDK (https://openai.github.io/openai-agents-python/)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime

import msgspec
import openai
from agents import (
    Agent,
    AgentsException,
    FunctionTool,
    FunctionToolResult,
    ModelSettings,
    RunConfig,
    RunContextWrapper,
    Runner,
    ToolsToFinalOutputResult,
    TResponseInputItem,
    set_tracing_disabled,
)
from agents.models.interface import Model

from pipelines.adapters.agent.constrained import ConstrainedModel
from pipelines.adapters.agent.context import CallContext, Identity, KnownCaller
from pipelines.adapters.agent.limits import TimeLimited
from pipelines.adapters.agent.memory import Memory
from pipelines.adapters.agent.watched import watched
from pipelines.errors import ModelError
from pipelines.events import Event, ReplyDelta, ToolExpected

set_tracing_disabled(True)  # the SDK would send every conversation to a cloud


_WHISPERED = {"en": "A colleague tells you", "fr": "Un collègue te dit"}

Notes = Mapping[str, Mapping[str, str]]


class AgentLimits(msgspec.Struct, frozen=True):
    """How one model answers: seconds and counts one reply may take, and how much is left to chance."""

    first_token_s: float = 8.0
    """Until a model begins to answer one request."""
    model_s: float = 20.0
    """Until a model has answered one request."""
    tool_s: float = 8.0
    """Until a tool has answered."""
    steps: int = 5
    """Requests to the model in one reply: one, and one more after each round of tools."""
    tokens: int = 160
    """Of one answer of the model."""
    temperature: float = 0.0


class Facts(msgspec.Struct, frozen=True):
    """The call an agent is for. `caller`, `called`: numbers, "" when withheld; `now`: local time where the call is
    answered."""

    call_id: str
    caller: str
    called: str
    now: datetime


class Prompt(msgspec.Struct, frozen=True):
    """What a model is told ahead of the call: a system prompt, and examples as input items of the SDK."""

    instructions: str
    examples: tuple[TResponseInputItem, ...] = ()


class OpenAIAgent:
    """`pipelines.models.ports.Agent`. One per call; holds the call's memory."""

    def __init__(
        self,
        models: Sequence[tuple[Model, AgentLimits]],
        prompt: Callable[[str, Model], Prompt],
        tools: Sequence[FunctionTool],
        facts: Facts,
        notes: Notes | None = None,
    ) -> None:
        """`notes`: what the model is to read when a caller sounds like that, by emotion and language; and under "known_caller" when his
        voice is known, with {name} for whose it is. `models`: the agent's own, whose limits hold for tools too; then (optional) its fallback. `prompt(language, model)`: what the model is told
        ahead of the call."""
        self._models = models
        self._prompt = prompt
        self._facts = facts
        self._notes = notes or {}
        self._memory = Memory()
        self._identity = Identity()
        self._tools = [watched(tool, self._memory, models[0][1].tool_s) for tool in tools]
        self._prefill: asyncio.Task[None] | None = None
        self._language = ""
        self._speculative: CallContext | None = None
        self._committed = -1

    async def reply(
        self, reply: int, text: str, language: str, *, attempt: int = 0, speculative: bool = False
    ) -> AsyncIterator[Event]:
        """Answer `text` in `language`; see `pipelines.models.ports.Agent`. From `attempt` 2 on the fallback model
        answers.

        Raises `ModelError` when the model fails or takes too long; the message holds no key and no word of the caller.
        """
        await self._stop_prefill()
        self._language = language
        self._memory.ask(reply, text)
        # Not bounded by a size: one reply writes at most limits.steps * limits.tokens deltas, and tools must never wait
        # to be heard.
        outbox: asyncio.Queue[Event | None] = asyncio.Queue()
        context = CallContext(
            call_id=self._facts.call_id,
            caller=self._facts.caller,
            called=self._facts.called,
            language=language,
            now=self._facts.now,
            reply=reply,
            dialogue=self._memory.dialogue,
            emit=outbox.put_nowait,
            speculative=speculative and reply != self._committed,  # the commit may come before the first step
            identity=self._identity,
        )
        if speculative:
            self._speculative = context
        model, limits = self._models[1] if attempt >= 2 and len(self._models) > 1 else self._models[0]
        production = asyncio.create_task(self._produce(context, model, limits, outbox), name="agent-reply")
        finished = False
        try:
            while (event := await outbox.get()) is not None:
                if isinstance(event, ReplyDelta):
                    self._memory.say(reply, event.text)
                yield event
            await production
            finished = True
        finally:
            if not finished:
                self._memory.unsay(reply)
                production.cancel()
                await asyncio.gather(production, return_exceptions=True)

    def commit(self, reply: int) -> None:
        """See `pipelines.models.ports.Agent`."""
        self._committed = reply
        if self._speculative is not None and self._speculative.reply == reply:
            self._speculative.commit()

    async def held(self, reply: int) -> None:
        """Wait until a tool of the speculative `reply` waits for its commit; for ever if none does."""
        if self._speculative is None or self._speculative.reply != reply:
            await asyncio.Event().wait()
        else:
            await self._speculative.held.wait()

    def forget(self, reply: int) -> None:
        """See `pipelines.models.ports.Agent`."""
        self._memory.forget(reply)

    def remember(self, reply: int, text: str) -> None:
        """See `pipelines.models.ports.Agent`. With an embedded model the conversation so far is then computed in the
        background, so that the next turn costs only the caller's new words."""
        self._memory.remember(reply, text)
        if self._language:
            self._prepare(self._language)

    def notice(self, fact: str, value: str, p: float, threshold: float = 0.0) -> None:
        """See `pipelines.models.ports.Agent`. It goes with the caller's next words."""
        if fact == "known_caller":
            self._identity.known = KnownCaller(value, p, threshold)
        if fact == "note":
            self._memory.note(value, f"[{_WHISPERED.get(self._language, _WHISPERED['en'])}: {value}]")
            return
        texts = self._notes.get(value if fact == "emotion" else fact, {})
        if text := texts.get(self._language) or next(iter(texts.values()), ""):
            self._memory.note(fact, f"[{text.replace('{name}', value)}]")

    def overhear(self, text: str, language: str) -> None:
        """See `pipelines.models.ports.Agent`. An embedded model reads along, but for the last word, which may change."""
        read = text.rpartition(" ")[0]
        if read:
            self._prepare(language, read)

    def _prepare(self, language: str, asked: str = "") -> None:
        if self._prefill is None and isinstance(self._models[0][0], ConstrainedModel):
            self._prefill = asyncio.create_task(self.warm(language, asked), name="agent-prefill")
            self._prefill.add_done_callback(self._prefilled)

    async def warm(self, language: str, asked: str = "") -> None:
        """Compute the prompt of the call so far ahead of time (embedded model only), with what the caller is just
        asking. Best effort: a failure shows in the reply itself."""
        model, limits = self._models[0]
        if isinstance(model, ConstrainedModel):
            try:
                prompt = self._prompt(language, model)
                async with asyncio.timeout(limits.model_s):
                    await model.prefill(prompt.instructions, self._input(prompt, model, asked), list(self._tools))
            except (openai.OpenAIError, TimeoutError):
                return

    async def settled(self) -> None:
        """Wait until nothing is computed in the background."""
        if self._prefill is not None:
            await asyncio.gather(self._prefill, return_exceptions=True)

    async def _produce(
        self, context: CallContext, model: Model, limits: AgentLimits, outbox: asyncio.Queue[Event | None]
    ) -> None:
        prompt = self._prompt(context.language, model)
        agent = Agent[CallContext](
            name="receptionist",
            instructions=prompt.instructions,
            model=TimeLimited(model, limits.first_token_s, limits.model_s),
            model_settings=ModelSettings(temperature=limits.temperature, max_tokens=limits.tokens),
            tools=list(self._tools),
            tool_use_behavior=_stop_when_answered,
        )
        try:
            run = Runner.run_streamed(
                agent,
                self._input(prompt, model),
                context=context,
                max_turns=limits.steps,
                run_config=RunConfig(tracing_disabled=True, trace_include_sensitive_data=False),
            )
            try:
                async for event in run.stream_events():
                    if event.type != "raw_response_event":
                        continue
                    data = event.data
                    if data.type == "response.output_text.delta":
                        context.said = True
                        outbox.put_nowait(ReplyDelta(context.reply, data.delta))
                    elif data.type == "response.output_item.added" and data.item.type == "function_call":
                        outbox.put_nowait(ToolExpected(context.reply, data.item.name))
            finally:
                run.cancel()
        except (AgentsException, openai.OpenAIError, TimeoutError, OSError) as error:
            # Not chained: a provider's message may quote the key, and a traceback would print it.
            raise ModelError(f"the agent's model failed: {_kind(error)}") from None
        finally:
            outbox.put_nowait(None)

    def _input(self, prompt: Prompt, model: Model, asked: str = "") -> list[TResponseInputItem]:
        """The conversation for the model. A small one is not shown what the call said before the caller's first words: it parrots
        the greeting, in the greeting's language, whatever language it is asked in."""
        items = self._memory.items(asked)
        if isinstance(model, ConstrainedModel):
            first = next((n for n, item in enumerate(items) if item.get("role") == "user"), len(items))
            items = items[first:]
        return [*prompt.examples, *items]

    async def _stop_prefill(self) -> None:
        if self._prefill is not None:
            self._prefill.cancel()
            await asyncio.gather(self._prefill, return_exceptions=True)

    def _prefilled(self, task: asyncio.Task[None]) -> None:
        self._prefill = None
        if not task.cancelled():
            task.result()


def _stop_when_answered(
    context: RunContextWrapper[CallContext], _: list[FunctionToolResult]
) -> ToolsToFinalOutputResult:
    return ToolsToFinalOutputResult(is_final_output=context.context.answered, final_output="")


def _kind(error: Exception) -> str:
    status = getattr(error, "status_code", None)
    return f"{type(error).__name__} {status}" if status else type(error).__name__
