"""No analysis while the caller speaks: his audio, or the model, has stopped, and what he was saying ends there."""

from pipelines.actions import Action, SetDeadline
from pipelines.units import SECOND

STARVED = "starved"
"""Name of the deadline, set while the caller speaks."""

_LONG = 1 * SECOND


class Starving:
    """When a window was analyzed last. `at` is call time in microseconds."""

    def __init__(self) -> None:
        self._fed_at = 0

    def fed(self, at: int) -> None:
        """A window was analyzed."""
        self._fed_at = at

    def watch(self, at: int) -> Action:
        """The caller begins to speak."""
        return SetDeadline(STARVED, at + _LONG)

    def look(self, at: int) -> list[Action]:
        """The deadline has passed: the next one, or nothing if it is true that nothing came."""
        return [SetDeadline(STARVED, self._fed_at + _LONG)] if at - self._fed_at < _LONG else []
