"""How a call ends from our side: its last words, and what follows once they were heard."""

from typing import NamedTuple

from pipelines.actions import Action, HangUp, Transfer
from pipelines.turns.policy import CallSettings
from pipelines.turns.reply import Reply


class Words(NamedTuple):
    """What the call says of itself, and what is done `after`: "hang_up" for the reason `value`, "transfer" to the number `value`, or "". `fact`: what is
    observed with it."""

    texts: tuple[str, ...]
    after: str = ""
    value: str = ""
    fact: str = ""


class Farewell:
    """Never silence: a call that cannot go on says so, then hands the caller to a person or says goodbye."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self.begun = False
        """The last words are being said; nobody takes the floor any more."""

    def limit(self, language: str) -> Words:
        """The call has lasted as long as it may."""
        self.begun = True
        return Words((self._settings.phrases[language].goodbye,), "hang_up", "limit", "call_limit")

    def because(self, port: str, language: str, *, person: bool = True) -> Words | Action | None:
        """The model of `port` is beyond help (or, "transfer", the carrier refused one): an apology, and a person if there is one who can
        still be reached. None when the last words are on their way already; an action when not even they can be spoken. `person`: the other is one; a machine is
        handed to nobody."""
        number = self._settings.transfer_number if person else ""
        if self.begun and port != "transfer":
            if port != "tts":
                return None
            return Transfer(number) if number else HangUp("failed")
        self.begun = True
        apology = self._settings.phrases[language].apology
        if number and port != "transfer":
            return Words((apology,), "transfer", number, "apology")
        return Words((apology,), "hang_up", "failed", "apology" if port != "transfer" else "")

    @staticmethod
    def after(reply: Reply) -> Action | None:
        """What follows a reply that was heard; None when the call goes on."""
        match reply.after:
            case "hang_up":
                return HangUp(reply.after_value)
            case "transfer":
                return Transfer(reply.after_value)
        return None
