"""Agents by the call: the parts they share are made once."""

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from agents import FunctionTool, OpenAIChatCompletionsModel, TResponseInputItem
from agents.models.interface import Model
from openai import AsyncOpenAI

from pipelines.adapters.agent.constrained import ConstrainedModel
from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.openai_agents import AgentLimits, Facts, Notes, OpenAIAgent, Prompt


class Endpoint(msgspec.Struct, frozen=True):
    """Any OpenAI-compatible service: base URL (with `/v1`), model name, key ("" where none is needed)."""

    base_url: str
    model: str
    api_key: str = ""

    def __repr__(self) -> str:
        return f"Endpoint(base_url={self.base_url!r}, model={self.model!r})"


_LANGUAGES = {
    "en": "English",
    "fr": "French",
    "de": "German",
    "es": "Spanish",
    "it": "Italian",
    "pt": "Portuguese",
    "nl": "Dutch",
}
_DAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
}


class AgentFactory:
    """Opens the agent of each call. Tools, models and prompts are shared; a call's memory is its own."""

    def __init__(
        self,
        llm: EmbeddedEngine | Endpoint | Model,
        *,
        instructions: Mapping[str, str] | str,
        examples: Mapping[str, Sequence[tuple[str, str]]] | None = None,
        tools: Sequence[FunctionTool] = (),
        fallback: EmbeddedEngine | Endpoint | Model | None = None,
        limits: AgentLimits | None = None,
        fallback_limits: AgentLimits | None = None,
        notes: Notes | None = None,
    ) -> None:
        """`instructions`: by language (ISO 639-1), or one text for all, to which the language to speak is added.

        `examples`: by language; pairs of what a caller says and what the agent answers (words, or a tool call as
        `grammar.call_text` writes it), which show a small embedded model when to use which tool. Other models do not
        see them.
        `notes`: as in `OpenAIAgent`. `fallback`: answers a third attempt at the same reply.
        """
        self._clients: list[AsyncOpenAI] = []
        choices = ((llm, limits), (fallback, fallback_limits))
        self._models = [(self._model(choice), own or AgentLimits()) for choice, own in choices if choice is not None]
        self._instructions = {"": instructions} if isinstance(instructions, str) else dict(instructions)
        self._examples = dict(examples or {})
        self._tools = tuple(tools)
        self._notes = notes

    def open(self, call_id: str, caller: str, called: str, language: str, now: datetime) -> OpenAIAgent:
        """The agent of a new call. `language`: the one the call starts in; `now`: local time where the call is
        answered."""

        def prompt(language: str, model: Model) -> Prompt:
            return self.prompt(language, model, now)

        facts = Facts(call_id, caller, called, now)
        return OpenAIAgent(self._models, prompt, self._tools, facts, self._notes)

    async def warm(self, languages: Sequence[str], now: datetime) -> None:
        """Compute the prompt prefix of each language, so that the first caller does not wait for it (embedded model
        only). Raises what the model raises: a prompt or tool it cannot take is better known before the first call."""
        for model, _ in self._models:
            if isinstance(model, ConstrainedModel):
                for language in languages:
                    prompt = self.prompt(language, model, now)
                    await model.prefill(prompt.instructions, list(prompt.examples), list(self._tools))

    def prompt(self, language: str, model: Model, now: datetime) -> Prompt:
        """What `model` is told ahead of a call in `language` that begins at `now`."""
        text = self._instructions.get(language) or next(iter(self._instructions.values()))
        spoken = "" if language in self._instructions else f"Speak {_LANGUAGES.get(language, language)}."
        examples: list[TResponseInputItem] = []
        if isinstance(model, ConstrainedModel):
            for said, answer in self._examples.get(language, ()):
                examples += [{"role": "user", "content": said}, {"role": "assistant", "content": answer}]
        return Prompt(" ".join(part for part in (text, spoken, _today(language, now)) if part), tuple(examples))

    async def close(self) -> None:
        """Close the connections to endpoints. An `EmbeddedEngine` is closed by who started it."""
        for client in self._clients:
            await client.close()

    def _model(self, choice: EmbeddedEngine | Endpoint | Model) -> Model:
        if isinstance(choice, EmbeddedEngine):
            return ConstrainedModel(choice)
        if isinstance(choice, Endpoint):
            # The SDK wants a key; where none is needed any word will do. Retrying is the call's business, not the
            # client's.
            client = AsyncOpenAI(base_url=choice.base_url, api_key=choice.api_key or "none", max_retries=0)
            self._clients.append(client)
            return OpenAIChatCompletionsModel(choice.model, client)
        return choice


def _today(language: str, now: datetime) -> str:
    if language == "fr":
        return f"Nous sommes {_DAYS['fr'][now.weekday()]}, le {now:%d/%m/%Y}."
    return f"Today is {_DAYS['en'][now.weekday()]}, {now:%Y-%m-%d}."
