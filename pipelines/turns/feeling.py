"""How the caller feels, and what of it the agent is told: an emotion once, when it is sure, and again only after another."""

from pipelines.actions import Action, Appraise, Notice
from pipelines.events import EmotionHeard
from pipelines.turns.asked import Asked
from pipelines.turns.policy import CallSettings

_CALM = 0.5  # from which what is not told of counts as another emotion


class Feeling:
    """Of one caller, over his call."""

    def __init__(self, settings: CallSettings) -> None:
        self._settings = settings
        self._told = ""
        self._turns = 0

    def heard(self, event: EmotionHeard) -> list[Action]:
        """A stretch of speech sounds like that. A doubtful one changes nothing; a calm one lets the next angry one be told."""
        sure = self._settings.emotion_sure.get(event.label)
        if event.label == self._told or event.p < (_CALM if sure is None else sure):
            return []
        self._told = event.label
        return [] if sure is None else [Notice("emotion", event.label, event.p)]

    def turn_taken(self, asked: Asked) -> list[Action]:
        """He said something that is to be answered."""
        number, self._turns = self._turns, self._turns + 1
        return [Appraise(number, asked.text, asked.language)] if self._settings.appraise and not asked.is_keys else []
