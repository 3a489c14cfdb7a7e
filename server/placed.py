"""Calls that we asked a carrier to place, from the asking to their first audio: which agent speaks, and what is left on a machine.

The carrier brings back a name only, and the agent's; the message waits here. So it is in no TwiML and no carrier's log, and has no limit of
500 characters. A call that nobody answers is forgotten after a while.
"""

import secrets
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping

import msgspec

OUTBOUND, AGENT = "outbound", "agent"
"""Names of the parameters that the carrier brings back."""

_LIFE_S = 600.0  # carriers let it ring for ten minutes at most (Twilio's Timeout: 600 s)
_LIMIT = 1_000
_WITHIN_S = 60.0


class Placed(msgspec.Struct, frozen=True):
    """A call that we placed. `agent`: its name; `message`: what is left on a machine, "" to hang up; `language`: the one to begin in, "" for the
    agent's first."""

    agent: str
    message: str = ""
    language: str = ""


class PlacedCalls:
    """A table that forgets: at most a thousand calls, ten minutes each."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """`clock`: seconds, never backwards."""
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, Placed]] = OrderedDict()

    def keep(self, placed: Placed) -> dict[str, str] | None:
        """The parameters that the carrier is to bring back; None when the table is full."""
        now = self._clock()
        while self._kept and next(iter(self._kept.values()))[0] < now:
            self._kept.popitem(last=False)
        if len(self._kept) >= _LIMIT:
            return None
        name = secrets.token_urlsafe(12)
        self._kept[name] = (now + _LIFE_S, placed)
        return {OUTBOUND: name, AGENT: placed.agent}

    def forget(self, parameters: Mapping[str, str]) -> None:
        """The carrier did not place it."""
        self._kept.pop(parameters.get(OUTBOUND, ""), None)

    def take(self, parameters: Mapping[str, str]) -> Placed | None:
        """The call that brings these parameters back, once; None for one that we did not place. What is forgotten (the server has started
        anew) is still a call that we placed, with nothing to leave on a machine."""
        name = parameters.get(OUTBOUND, "")
        if not name:
            return None
        expires, placed = self._kept.pop(name, (0.0, None))
        if placed is None or expires < self._clock():
            return Placed(parameters.get(AGENT, ""))
        return placed


class Pace:
    """At most so many a minute."""

    def __init__(self, limit: int, clock: Callable[[], float]) -> None:
        self._limit, self._clock = limit, clock
        self._times: deque[float] = deque()

    @property
    def spent(self) -> bool:
        """Whether there may be no more now."""
        while self._times and self._times[0] <= self._clock() - _WITHIN_S:
            self._times.popleft()
        return len(self._times) >= self._limit

    def admit(self) -> bool:
        """Whether there may be one more now; it counts if so."""
        if self.spent:
            return False
        self._times.append(self._clock())
        return True
