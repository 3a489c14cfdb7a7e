"""Keys the caller presses, gathered until they are one answer: so many digits, a terminator, or a pause.

Keys sound one after another but mean something together: a date of birth, a customer number. Twilio's `<Gather>` and jambonz's `gather`
end an input in the same three ways.
"""

from pipelines.turns.policy import CallSettings

DIGITS = "digits"
"""Name of the deadline: the longest pause between two keys."""

_TERMINATOR = "#"
_MOST = 32


class Keypad:
    """What was keyed since the last answer, and how much is wanted."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._keys = ""
        self._asked, self._length = False, 0

    def expect(self, length: int) -> None:
        """The agent has asked for keys: `length` digits (0: it does not know how many). Until they are there, slow fingers are given
        more time."""
        self._asked, self._length = True, length

    def press(self, key: str) -> bool:
        """Another key, one of 0-9, *, #, A-D. Whether the input is complete with it."""
        self._keys += key
        wanted = self._length or _MOST
        return key == _TERMINATOR or len(self._keys) >= wanted

    @property
    def pause_us(self) -> int:
        """How long after a key the next one is waited for."""
        return self._settings.digits_asked_us if self._asked else self._settings.digits_gap_us

    def take(self) -> str:
        """All that was keyed, without the terminator unless it is the only key. Nothing is expected any more."""
        keys = self._keys.removesuffix(_TERMINATOR) or self._keys
        self._keys, self._asked, self._length = "", False, 0
        return keys
