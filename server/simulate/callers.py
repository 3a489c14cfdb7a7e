"""Who calls: somebody with a script, or a persona that a language model plays."""

from collections.abc import Sequence
from typing import Protocol

from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.factory import Endpoint
from pipelines.adapters.agent.structured import ask_json
from server.simulate.rules import Exchange, Verdict
from server.simulate.suite import Scenario

Llm = EmbeddedEngine | Endpoint

_LIMIT_S = 600.0
_TOKENS = 120
_WARM = 0.7
"""Temperature of a played caller: runs are to differ, each by its own seed."""

_PART = {
    "en": (
        "You play somebody who calls a company on the telephone. {persona}\nWhat you want: {goal}\n"
        "You are the caller, never the company. Say what the caller says next: one short spoken sentence in English, as people speak. Answer what you are "
        'asked, and invent nothing about the company. Once you have what you want, or cannot get it, say goodbye and set "done" to true.'
    ),
    "fr": (
        "Tu joues quelqu'un qui téléphone à une entreprise. {persona}\nCe que tu veux : {goal}\n"
        "Tu es l'appelant, jamais l'entreprise. Dis ce que l'appelant dit ensuite : une courte phrase parlée, en français, comme les gens parlent. Réponds à ce "
        "qu'on te demande, et n'invente rien sur l'entreprise. Quand tu as ce que tu veux, ou que tu ne peux pas l'avoir, dis au revoir et mets « done » à true."
    ),
}
_SIDES = {"en": ("They", "You", "What do you say now?"), "fr": ("Eux", "Toi", "Que dis-tu maintenant ?")}
_SAY = {
    "type": "object",
    "properties": {"say": {"type": "string", "maxLength": 240}, "done": {"type": "boolean"}},
    "required": ["say", "done"],
    "additionalProperties": False,
}
_VERDICT = {
    "type": "object",
    "properties": {"reason": {"type": "string", "maxLength": 200}, "yes": {"type": "boolean"}},
    "required": ["reason", "yes"],
    "additionalProperties": False,
}


class Caller(Protocol):
    """Says one line after another."""

    async def next(self, greeting: str, exchanges: Sequence[Exchange]) -> str:
        """What he says now; "" when he has nothing more to say. Raises ModelError."""
        ...


class Scripted:
    """Says his lines in order."""

    def __init__(self, scenario: Scenario) -> None:
        self._lines = [line.say for line in scenario.turn]

    async def next(self, greeting: str, exchanges: Sequence[Exchange]) -> str:
        return self._lines[len(exchanges)] if len(exchanges) < len(self._lines) else ""


class Played:
    """A persona. `run` chooses one of many ways in which the model may play it."""

    def __init__(self, scenario: Scenario, llm: Llm, run: int) -> None:
        self._scenario, self._llm, self._run = scenario, llm, run
        self._done = False

    async def next(self, greeting: str, exchanges: Sequence[Exchange]) -> str:
        if self._done or len(exchanges) >= self._scenario.most_turns:
            return ""
        language = self._scenario.language if self._scenario.language in _PART else "en"
        part = _PART[language].format(persona=self._scenario.persona, goal=self._scenario.goal)
        question = f"{conversation(greeting, exchanges, language)}\n\n{_SIDES[language][2]}"
        answer = await ask_json(
            self._llm, part, question, _SAY, tokens=_TOKENS, limit_s=_LIMIT_S, temperature=_WARM, seed=self._run + 1
        )
        self._done = answer.get("done") is True
        return " ".join(str(answer.get("say", "")).split())


def conversation(greeting: str, exchanges: Sequence[Exchange], language: str) -> str:
    """As the caller's model reads it."""
    they, you, _ = _SIDES[language]
    lines = [f"{they}: {greeting}"]
    for exchange in exchanges:
        lines += [f"{you}: {exchange.said}", f"{they}: {exchange.answer}"]
    return "\n".join(lines)


async def asked(questions: Sequence[str], greeting: str, exchanges: Sequence[Exchange], llm: Llm) -> list[Verdict]:
    """What a language model that reads the conversation says to each question; it must say yes. Raises ModelError."""
    verdicts = []
    for question in questions:
        answer = await ask_json(
            llm,
            "You judge a telephone conversation between a caller (You) and a company's agent (They). Answer the question about it truthfully.",
            f"{conversation(greeting, exchanges, 'en')}\n\nQuestion: {question}",
            _VERDICT,
            tokens=_TOKENS,
            limit_s=_LIMIT_S,
        )
        verdicts.append(Verdict("judge", question, answer.get("yes") is True, str(answer.get("reason", ""))))
    return verdicts
