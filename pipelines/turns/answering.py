"""The answer to the caller: prepared ahead of the end of his turn, in vain if he goes on, and begun when the turn is taken."""

from pipelines.actions import Action, CommitReply, StartReply
from pipelines.turns.asked import Asked
from pipelines.turns.hearing import Hearing
from pipelines.turns.speaking import Speaking


def drop_stale(hearing: Hearing, speaking: Speaking) -> list[Action]:
    """The draft answers what the caller may have ended with; when he goes on, there is none."""
    if speaking.draft is None or (hearing.known and speaking.prepared(hearing.text, hearing.language)):
        return []
    return speaking.drop_draft()


def prepare(at: int, hearing: Hearing, speaking: Speaking) -> list[Action]:
    """Nobody has the floor and he may have finished: prepare the answer, unless it is being prepared."""
    if speaking.reply is not None or speaking.draft is not None or not hearing.sounds_complete:
        return []
    return speaking.begin_draft(at, hearing.language, hearing.text)


def start(at: int, asked: Asked, speaking: Speaking) -> list[Action]:
    """The turn is taken: the draft is its answer if there is one, otherwise the reply that has just begun."""
    if speaking.draft is not None:
        reply = speaking.promote(at)
        first: Action = CommitReply(reply.number)
    else:
        reply = speaking.reply
        assert reply is not None
        reply.asked, first = asked.text, StartReply(reply.number, asked.text, asked.language)
    reply.caller_end, reply.endpoint_at = asked.ended_at, min(asked.endpoint_at, at)
    return [first, *speaking.await_words(at)]
