"""What is done with messages that are not as they should be: passed over and noted, up to a limit."""

from collections.abc import Callable

from pipelines.errors import WireError
from pipelines.events import Event

_FAULT_LIMIT = 20

Note = Callable[[str], None]
"""Told of every message that is passed over, by a fixed cause: never a word of the message."""


def unnoted(cause: str) -> None:
    """A `Note` that keeps nothing."""


class Faults:
    """The faults of one wire. Both methods return what such a message means: no events."""

    def __init__(self, note: Note) -> None:
        self._note = note
        self._count = 0

    def ignore(self, cause: str) -> list[Event]:
        """A message that does no harm: it may come as often as it likes."""
        self._note(cause)
        return []

    def fault(self, cause: str) -> list[Event]:
        """A broken message. Raises WireError at the twentieth."""
        self._note(cause)
        self._count += 1
        if self._count >= _FAULT_LIMIT:
            raise WireError(f"{_FAULT_LIMIT} broken messages came; the last was {cause}")
        return []
