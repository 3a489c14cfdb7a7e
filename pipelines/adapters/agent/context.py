"""What a tool gets to know of the call it works for, and how it speaks back."""

import asyncio
from collections.abc import Callable
from datetime import datetime

import msgspec

from pipelines.events import Event, ReplyDelta


class Spoken(str):
    """A tool's result that is itself the agent's answer: it is said as it is, and the model is not asked to word it
    again.

    That spares the caller a second run of the model, and facts (times, dates, names) cannot be garbled on the way.
    """


class KnownCaller(msgspec.Struct, frozen=True):
    """The caller's voice is like that of an enrolled person: by a cosine of `score`, from `threshold` on. A recording or an imitation has such a
    voice too, and so has one stranger in a hundred: it may be a reason to ask "is that you, Anne?", and is no proof."""

    name: str
    score: float
    threshold: float


class Identity:
    """Who calls, as far as it is known by now; of one call, for all of its replies."""

    def __init__(self) -> None:
        self.known: KnownCaller | None = None
        self.proven = False


class CallContext:
    """One reply of one call, as tools see it (`RunContextWrapper.context` in the SDK)."""

    def __init__(
        self,
        *,
        call_id: str,
        caller: str,
        called: str,
        language: str,
        now: datetime,
        reply: int,
        dialogue: list[tuple[str, str]],
        emit: Callable[[Event], None],
        speculative: bool = False,
        identity: Identity | None = None,
    ) -> None:
        """`caller`, `called`: numbers, "" when withheld. `language`: of this reply, ISO 639-1. `now`: local time of the
        practice, shop or office that is called. `dialogue`: what was said, as ("caller" or "agent", words), the
        caller's latest words last. `identity`: the call's."""
        self.call_id, self.caller, self.called = call_id, caller, called
        self.language, self.now, self.reply = language, now, reply
        self.dialogue = dialogue
        self.said = False
        """Whether the agent has said anything in this reply."""
        self.answered = False
        """Whether a tool gave the answer itself (`Spoken`): the model is not asked again."""
        self.committed = asyncio.Event()
        """Set once this reply is the answer: until then a tool that does more than read must wait."""
        self.held = asyncio.Event()
        """Set while a tool waits for that."""
        if not speculative:
            self.committed.set()
        self._emit = emit
        self._identity = identity or Identity()

    @property
    def known_caller(self) -> KnownCaller | None:
        """Whose voice the caller's is like, once that is known. No proof of who he is."""
        return self._identity.known

    @property
    def proven(self) -> bool:
        """Whether the caller has proven, in this call, who he is; his voice never does."""
        return self._identity.proven

    def prove(self) -> None:
        """The caller has shown what only he has or knows (a code, a date of birth): sensitive tools may run from now on."""
        self._identity.proven = True

    async def commitment(self) -> None:
        """Wait until this reply is the answer."""
        if not self.committed.is_set():
            self.held.set()
            await self.committed.wait()

    def commit(self) -> None:
        """This reply is the answer."""
        self.committed.set()
        self.held.clear()

    def emit(self, event: Event) -> None:
        """Hand an event to the call: `HangUpRequested`, `TransferRequested`, `DigitsRequested`."""
        self._emit(event)

    def say(self, text: str) -> None:
        """Let the agent say `text`, after what it has said in this reply."""
        self._emit(ReplyDelta(self.reply, f" {text}" if self.said else text))
        self.said = True
