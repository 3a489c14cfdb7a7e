"""How a call ends from our side: its last words, and what follows once they were heard."""

from typing import NamedTuple

from pipelines.actions import Action, HangUp, Transfer
from pipelines.turns.policy import CallSettings
from pipelines.turns.reply import Reply


class LastWords(NamedTuple):
    """What is said, and what is done `after`: "hang_up" for the reason `value`, or "transfer" to the number `value`."""

    text: str
    after: str
    value: str


class Farewell:
    """Never silence: a call that cannot go on says so, then hands the caller to a person or says goodbye."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self.begun = False
        """The last words are being said; nobody takes the floor any more."""

    def goodbye(self, language: str, reason: str) -> LastWords:
        return LastWords(self._settings.phrases[language].goodbye, "hang_up", reason)

    def apology(self, language: str, *, to_person: bool = True) -> LastWords:
        """`to_person`: a person may be able to help, if there is one to transfer to."""
        number = self._settings.transfer_number if to_person else ""
        return LastWords(
            self._settings.phrases[language].apology, "transfer" if number else "hang_up", number or "failed"
        )

    def without_words(self) -> Action:
        """Not even the apology can be spoken."""
        number = self._settings.transfer_number
        return Transfer(number) if number else HangUp("failed")

    @staticmethod
    def after(reply: Reply) -> Action | None:
        """What follows a reply that was heard; None when the call goes on."""
        match reply.after:
            case "hang_up":
                return HangUp(reply.after_value)
            case "transfer":
                return Transfer(reply.after_value)
        return None
