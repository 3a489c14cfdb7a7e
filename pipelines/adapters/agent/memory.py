"""What the agent knows of the call: for each reply what the caller said, what tools did, and what the caller heard of
the answer."""

from agents import TResponseInputItem

UNFINISHED = "(not finished yet)"
"""Output of a tool that still runs, so that no call is ever without an output."""


class _ToolCall:
    __slots__ = ("arguments", "call_id", "changes", "name", "output")

    def __init__(self, call_id: str, name: str, arguments: str, changes: bool) -> None:
        self.call_id, self.name, self.arguments, self.changes = call_id, name, arguments, changes
        self.output = UNFINISHED


class _Turn:
    __slots__ = ("asked", "heard", "notes", "reply", "text", "tools")

    def __init__(self, reply: int, asked: str, notes: dict[str, str] | None = None) -> None:
        self.reply, self.asked, self.notes = reply, asked, notes or {}
        self.tools: list[_ToolCall] = []
        self.text = ""
        self.heard = False  # `text` was set by `remember`, and stays

    @property
    def characters(self) -> int:
        return len(self.asked) + len(self.text) + sum(len(t.arguments) + len(t.output) for t in self.tools)


class Memory:
    """The call so far, by reply number. A turn is rendered as: the caller's words, tool calls with their outputs, the
    agent's words."""

    def __init__(self, limit: int = 6_000) -> None:
        """`limit`: characters kept (about a quarter as many tokens). Past it the oldest turns go, down to half of it at
        once: each cut costs the model its cached prefix, so cuts are few."""
        self._limit = limit
        self._turns: list[_Turn] = []
        self._notes: dict[str, str] = {}  # for the caller's next words, by what they are about

    @property
    def dialogue(self) -> list[tuple[str, str]]:
        """What was said so far, in order: ("caller" or "agent", words)."""
        said = [part for turn in self._turns for part in (("caller", turn.asked), ("agent", turn.text))]
        return [(party, words) for party, words in said if words]

    def ask(self, reply: int, text: str) -> None:
        """The caller said `text`, which `reply` is to answer. Asking again (a retry) forgets the words of the failed
        attempt but not what tools did."""
        turn = self._find(reply)
        if turn is None:
            last = self._turns[-1] if self._turns else None
            if last and not last.text and not last.tools and last.asked and text.startswith(last.asked):
                self._take_back(self._turns.pop())  # he went on speaking: his turn is the longer one
            turn = self._insert(_Turn(reply, text, self._notes))
            self._notes = {}
        elif not turn.heard:
            turn.text = ""
        self._forget_oldest()

    def note(self, fact: str, text: str) -> None:
        """Something that no words of the caller say, for the model to read behind his next ones. Of each `fact` the newest counts."""
        self._notes[fact] = text

    def _take_back(self, turn: _Turn) -> None:
        """What was noted with a turn that was none is for the next."""
        self._notes = turn.notes | self._notes

    def say(self, reply: int, text: str) -> None:
        """The agent wrote `text`, in addition to what it has written in `reply`."""
        turn = self._find(reply)
        if turn is not None and not turn.heard:
            turn.text += text

    def unsay(self, reply: int) -> None:
        """`reply` was cancelled: until told otherwise nothing of it was heard."""
        turn = self._find(reply)
        if turn is not None and not turn.heard:
            turn.text = ""

    def forget(self, reply: int) -> None:
        """The caller never ended his turn with what `reply` was to answer. If a tool has changed something meanwhile, that is
        kept: it has happened."""
        for turn in [t for t in self._turns if t.reply == reply and not any(tool.changes for tool in t.tools)]:
            self._take_back(turn)
            self._turns.remove(turn)

    def tool_called(self, reply: int, call_id: str, name: str, arguments: str, *, changes: bool = True) -> None:
        """A tool runs. `changes`: it does more than read."""
        turn = self._find(reply)
        if turn is not None:
            turn.tools.append(_ToolCall(call_id, name, arguments, changes))

    def tool_finished(self, reply: int, call_id: str, output: str) -> None:
        turn = self._find(reply)
        for tool in turn.tools if turn else ():
            if tool.call_id == call_id:
                tool.output = output

    def remember(self, reply: int, text: str) -> None:
        """The caller heard exactly `text` of `reply`; a reply the agent did not write is inserted in order of
        number."""
        turn = self._find(reply)
        if turn is None:
            if not text:
                return
            turn = self._insert(_Turn(reply, ""))
        turn.text, turn.heard = text, True

    def items(self, asked: str = "") -> list[TResponseInputItem]:
        """The call as input items of the SDK; `asked`: what the caller is just saying, which is not kept. Every tool call
        has its output; caller's words with no answer between are joined."""
        items: list[TResponseInputItem] = []
        for turn in (*self._turns, *([_Turn(-1, asked)] if asked else [])):
            if turn.asked:
                last = items[-1] if items else {}
                words = " ".join([turn.asked, *turn.notes.values()])
                if last.get("role") == "user":
                    items[-1] = {"role": "user", "content": f"{last['content']}\n{words}"}  # type: ignore[typeddict-item]
                else:
                    items.append({"role": "user", "content": words})
            for tool in turn.tools:
                items.append(
                    {"type": "function_call", "call_id": tool.call_id, "name": tool.name, "arguments": tool.arguments}
                )
                # What was said in the tool's own words need not be read twice: tokens are time.
                output = "ok" if tool.output.split() == turn.text.split() else tool.output
                items.append({"type": "function_call_output", "call_id": tool.call_id, "output": output})
            if turn.text:
                items.append({"role": "assistant", "content": turn.text})
        return items

    def _find(self, reply: int) -> _Turn | None:
        return next((turn for turn in reversed(self._turns) if turn.reply == reply), None)

    def _insert(self, turn: _Turn) -> _Turn:
        at = len(self._turns)
        while at and self._turns[at - 1].reply > turn.reply:
            at -= 1
        self._turns.insert(at, turn)
        return turn

    def _forget_oldest(self) -> None:
        if sum(turn.characters for turn in self._turns) <= self._limit:
            return
        while len(self._turns) > 1 and sum(turn.characters for turn in self._turns) > self._limit // 2:
            self._turns.pop(0)
