"""Events that concern the caller's side or the agent's alone: whatever they say, the floor stays where it is."""

from pipelines import events as ev
from pipelines.actions import Action, Notice, Observed
from pipelines.turns.feeling import Feeling
from pipelines.turns.hearing import Hearing
from pipelines.turns.keypad import Keypad
from pipelines.turns.speaking import Speaking
from pipelines.turns.voices import Voices
from pipelines.turns.wishes import grant


def take(
    at: int,
    event: ev.Event,
    hearing: Hearing,
    speaking: Speaking,
    keypad: Keypad,
    feeling: Feeling,
    voices: Voices,
) -> list[Action]:
    """Hand the event to its side."""
    match event:
        case ev.TurnJudged():
            return hearing.judged(event)
        case ev.EmotionHeard():
            return feeling.heard(event)
        case ev.CallerKnown():
            return voices.known(event)
        case ev.SentimentRead():
            return []  # for those who watch
        case ev.ReplyDelta():
            return speaking.delta(at, event)
        case ev.ToolExpected() | ev.ToolStarted():
            return speaking.tool_coming(at, event)
        case ev.ToolFinished(failed=failed):
            return [Observed("tool_failed")] if failed else []
        case ev.NoteGiven(text=text):
            return [Notice("note", text, 1.0)]
        case _:
            return grant(event, speaking, keypad)
