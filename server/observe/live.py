"""A call as people watch it live: what the session's events and actions mean to somebody who reads along.

`Live` is an observer of one session. Whoever watches subscribes: he gets what has been so far, and then every fact as it
happens. An observer never holds up a call, so one who does not read is let go; he may subscribe again.
"""

import asyncio
from collections import deque
from collections.abc import Callable

import msgspec

from pipelines import actions as do
from pipelines import events as ev
from pipelines.units import to_seconds

_WAITING_LIMIT = 256  # facts that one may leave unread
_TURNS_KEPT = 200
_WATCHERS_LIMIT = 64


class Fact(msgspec.Struct, frozen=True, tag_field="fact", tag=str.lower):
    """Base of all facts. `at`: seconds into the call. `msgspec.json.encode` makes a JSON object of it, its class in `fact`."""

    at: float


class State(Fact):
    """Who has the floor: "listening" (nobody), "hearing" (the caller), "thinking" (the agent, not heard yet), "speaking" (the
    agent)."""

    state: str


class Caption(Fact):
    """The caller's words so far: `committed` will not change, `tentative` may. A `Taken` of the caller replaces them."""

    committed: str
    tentative: str
    language: str


class Saying(Fact):
    """What the agent has begun to say of its turn. A `Taken` of the agent replaces it by what was heard."""

    reply: int
    text: str


class Gap(Fact):
    """The first sound of the agent's answer left: `gap` seconds after the caller's last word."""

    gap: float


class Taken(Fact):
    """A turn is over: who said what, what of it was heard, and the response gap with its parts."""

    turn: do.Turn


class Tool(Fact):
    """A tool of the agent: `state` is "started", "finished" or "failed". Neither its arguments nor what it gave."""

    tool: str
    state: str


class Ended(Fact):
    """The call is over; `reason` as in `CallEnded`."""

    reason: str


class Watching:
    """One who watches: `async for fact in watching`, until the call is over or he has left too much unread (`behind`)."""

    def __init__(self, leave: Callable[["Watching"], None]) -> None:
        self.behind = False
        self._leave = leave
        self._facts: deque[Fact] = deque()
        self._over = False
        self._news = asyncio.Event()

    def tell(self, fact: Fact) -> None:
        if len(self._facts) >= _WAITING_LIMIT:
            self.behind = True
            self.close()
            return
        self._facts.append(fact)
        self._over = self._over or isinstance(fact, Ended)
        self._news.set()

    def close(self) -> None:
        """Watch no longer. What is unread can still be read."""
        self._over = True
        self._news.set()
        self._leave(self)

    def __aiter__(self) -> "Watching":
        return self

    async def __anext__(self) -> Fact:
        while not self._facts:
            if self._over:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._facts.popleft()


class Live:
    """The observer of one session, and what it has seen.

    `call_id`, `carrier`, `agent`, `caller`: as the call was taken; "" and 0 before. Numbers are for those who may see them. `dump`: the name
    of its recording's folder, "" where it is not recorded."""

    def __init__(self) -> None:
        self.call_id = self.carrier = self.caller = self.agent = self.dump = ""
        self.at = 0.0
        self.state = ""
        self.gap: float | None = None
        """The last response gap, in seconds."""
        self._turns: deque[Taken] = deque(maxlen=_TURNS_KEPT)
        self._caption: Caption | None = None
        self._saying = _Saying()
        self._said: Saying | None = None
        self._ended: Ended | None = None
        self._caller_speaks = False
        self._asked_until: float | None = None  # the caller's last word, until it is answered
        self._watching: list[Watching] = []

    # ---- who watches

    def watch(self) -> Watching:
        """Begin to watch: first what was so far. Raises OverflowError when 64 do already."""
        if len(self._watching) >= _WATCHERS_LIMIT:
            raise OverflowError(f"{_WATCHERS_LIMIT} watch this call already")
        watching = Watching(self._left)
        for fact in self.so_far():
            watching.tell(fact)
        self._watching.append(watching)
        return watching

    def _left(self, watching: Watching) -> None:
        if watching in self._watching:
            self._watching.remove(watching)

    def so_far(self) -> list[Fact]:
        """The call until now: its last 200 turns, the words being said, and whose floor it is."""
        facts: list[Fact] = [*self._turns]
        facts += [fact for fact in (self._caption, self._said) if fact is not None]
        if self.state:
            facts.append(State(self.at, self.state))
        return [*facts, self._ended] if self._ended is not None else facts

    # ---- what happens

    def __call__(self, at: int, event: ev.Event, actions: list[do.Action]) -> None:
        """A `server.session.Observer`."""
        if not actions and type(event) is ev.MediaReceived:
            return
        facts = self._facts(to_seconds(at), event, actions)
        for watching in list(self._watching) if facts else ():
            for fact in facts:
                watching.tell(fact)

    def _facts(self, at: float, event: ev.Event, actions: list[do.Action]) -> list[Fact]:
        self.at = at
        state, facts = self.state, self._happened(at, event)
        for action in actions:
            facts += self._done(at, action)
        if self.state != state:
            facts.append(State(at, self.state))
        if isinstance(event, ev.CallEnded):
            self._ended = Ended(at, event.reason)
            facts.append(self._ended)
        return facts

    def _happened(self, at: float, event: ev.Event) -> list[Fact]:
        match event:
            case ev.CallStarted():
                self.call_id, self.carrier, self.caller = event.call_id, event.carrier, event.caller
                self.state = "listening"
            case ev.ToolStarted(tool=tool):
                return [Tool(at, tool, "started")]
            case ev.ToolFinished(tool=tool, failed=failed):
                return [Tool(at, tool, "failed" if failed else "finished")]
            case ev.SpeechSynthesized():
                self._saying.synthesized(event)
        return []

    def _done(self, at: float, action: do.Action) -> list[Fact]:
        match action:
            case do.SendMedia(payload=payload):
                return self._sent(at, len(payload))
            case do.CaptionUpdated(committed=committed, tentative=tentative, language=language):
                self._caption = Caption(at, committed, tentative, language)
                return [self._caption]
            case do.TurnTaken(turn=turn):
                return [self._taken(at, turn)]
            case do.Observed(fact="speech_started" | "speech_stopped" as fact):
                self._caller_speaks = fact == "speech_started"
                if self.state in ("listening", "hearing"):
                    self._floor_is_free()
            case do.Synthesize():
                self._saying.requested(action)
            case do.Remember() | do.ForgetReply():  # the reply is over
                self._said = None
                self._floor_is_free()
        return []

    def _sent(self, at: float, n_bytes: int) -> list[Fact]:
        facts: list[Fact] = []
        self.state = "speaking"
        if self._asked_until is not None:
            self.gap = round(at - self._asked_until, 3)
            self._asked_until = None
            facts.append(Gap(at, self.gap))
        if self._saying.sent(n_bytes):
            self._said = Saying(at, self._saying.reply, self._saying.text)
            facts.append(self._said)
        return facts

    def _taken(self, at: float, turn: do.Turn) -> Taken:
        taken = Taken(at, turn)
        self._turns.append(taken)
        if turn.party == "caller":
            self._caption = None
            if self.state != "speaking":  # it excused itself, and answers in the same breath
                self._asked_until = turn.end
                self.state = "thinking"
        else:
            self.gap = turn.gap if turn.gap is not None else self.gap
            self._said = None
            self._floor_is_free()
        return taken

    def _floor_is_free(self) -> None:
        self.state = "hearing" if self._caller_speaks else "listening"


class _Saying:
    """Which words of a reply have begun to leave, by the length of their sound. A pause of the agent's, to listen, makes it early
    by a fifth of a second; hold music makes it late."""

    def __init__(self) -> None:
        self.reply = -1
        self.text = ""
        self._begin(-1)

    def _begin(self, reply: int) -> None:
        self.reply, self.text = reply, ""
        self._texts: list[str] = []
        self._lengths: list[int] = []
        self._whole = 0  # chunks of which all the sound is there
        self._begun = self._sent = 0

    def requested(self, action: do.Synthesize) -> None:
        if action.reply != self.reply:
            self._begin(action.reply)
        if action.chunk == len(self._texts):  # else it is asked for again
            self._texts.append("" if action.text == do.HOLD_MUSIC else action.text)
            self._lengths.append(0)

    def synthesized(self, event: ev.SpeechSynthesized) -> None:
        if event.reply == self.reply and event.chunk < len(self._lengths):
            self._lengths[event.chunk] += len(event.audio)
            self._whole = max(self._whole, event.chunk + event.last)

    def sent(self, n_bytes: int) -> bool:
        """Whether another chunk has begun with these bytes."""
        self._sent += n_bytes
        began = self._begun
        last = min(self._whole + 1, len(self._texts))
        while self._begun < last and self._sent > sum(self._lengths[: self._begun]):
            self.text = f"{self.text} {self._texts[self._begun]}".strip()
            self._begun += 1
        return self._begun > began
