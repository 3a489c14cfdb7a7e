"""The silence of both: the caller is asked whether he is still there, and at last the call ends."""

from pipelines.actions import Action, SetDeadline
from pipelines.turns.farewell import Words
from pipelines.turns.policy import CallSettings
from pipelines.units import MS

SILENCE = "silence"
"""Name of the deadline: nobody has had the floor for so long."""


class Silence:
    """How long nobody has been heard. `at` is call time in microseconds."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._since = 0

    def broken(self, at: int) -> None:
        """The caller spoke or pressed a key, or the agent spoke; a prompt does not count."""
        self._since = at

    def bear(self, at: int) -> list[Action]:
        """Nobody has the floor: when that is to be looked at."""
        hang_up_at = max(at, self._since + self._settings.silence_hangup_us)
        return [SetDeadline(SILENCE, min(at + self._settings.silence_prompt_us, hang_up_at))]

    def words(self, at: int, language: str) -> Words:
        """It has lasted: a prompt, or, when it has lasted too long, goodbye."""
        phrases = self._settings.phrases[language]
        if at - self._since >= self._settings.silence_hangup_us - 1 * MS:
            return Words((phrases.goodbye,), "hang_up", "silence")
        return Words((phrases.prompt,), fact="silence_prompt")
