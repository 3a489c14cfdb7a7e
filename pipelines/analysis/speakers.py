"""Who of several on the caller's line said what."""

from collections.abc import Iterable

from pipelines.analysis.analysis import KnownCaller, Speaking, SpokenTurn
from pipelines.events import CallerKnown
from pipelines.replay.dump import Dump

CALLER, OTHER = "caller", "other "
"""What speakers are called, of whom no name is known; the others are counted."""


def known_caller(dump: Dump) -> KnownCaller | None:
    """By whose voice the caller was known, if he was."""
    return next(
        (KnownCaller(event.name, round(event.score, 3), event.threshold) for _, event in dump.events(CallerKnown)), None
    )


def label(dump: Dump, party: str, speaker: str) -> str:
    """Of a turn: "caller" or the name by which he was known in the call, "other 1" ...; "" where the call did not tell voices apart, and for the
    agent."""
    settings = dump.meta.settings
    if party == "other":
        return speaker
    if party != "caller" or not (settings.follow or settings.identify):
        return ""
    known = known_caller(dump)
    return known.name if known is not None else CALLER


def is_other(turn: SpokenTurn) -> bool:
    """Whether somebody else than the caller said it on his line. (Nobody can be enrolled under such a name.)"""
    return turn.speaker.startswith(OTHER)


def speaking(turns: Iterable[SpokenTurn]) -> tuple[Speaking, ...]:
    """Who spoke when on the caller's line, by its turns."""
    return tuple(
        Speaking(turn.start, turn.end, turn.speaker) for turn in turns if turn.speaker and turn.end > turn.start
    )


def names(spoken: Iterable[Speaking]) -> list[str]:
    """Each speaker once, in the order in which they are first heard."""
    return list(dict.fromkeys(one.speaker for one in spoken))
