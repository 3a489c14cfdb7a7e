"""When an answer is prepared ahead of the end of the caller's turn, and when that was in vain."""

from pipelines.actions import Action
from pipelines.turns.hearing import Hearing
from pipelines.turns.speaking import Speaking


def drop_stale(hearing: Hearing, speaking: Speaking) -> list[Action]:
    """The draft answers what the caller may have ended with; when he goes on, there is none."""
    if speaking.draft is None or (hearing.known and speaking.prepared(hearing.text, hearing.language)):
        return []
    return speaking.drop_draft()


def begin(at: int, hearing: Hearing, speaking: Speaking) -> list[Action]:
    """Nobody has the floor and he may have finished: prepare the answer, unless it is being prepared."""
    if speaking.reply is not None or speaking.draft is not None or not hearing.sounds_complete:
        return []
    return speaking.begin_draft(at, hearing.language, hearing.text)
