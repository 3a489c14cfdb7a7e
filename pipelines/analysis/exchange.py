"""What happened between the two: overlaps, silences, interruptions, tools."""

from collections.abc import Iterator

from pipelines.actions import Observed, TurnTaken
from pipelines.analysis.analysis import Interruption, Overlap, Silence, ToolCall
from pipelines.analysis.voices import Span, Voices, between, common
from pipelines.events import ToolFinished, ToolStarted
from pipelines.replay.dump import Dump
from pipelines.units import MS, SECOND, to_seconds

_OVERLAP_US = 100 * MS  # the edges of voice activity are not sharper
_SILENCE_US = 1 * SECOND
_VERDICT_US = 2 * SECOND  # after an overlap, until its words are known
_VERDICTS = ("barge_in", "backchannel", "false_interruption")


def overlaps(dump: Dump, voices: Voices) -> Iterator[Overlap]:
    """Where both spoke at once, for a tenth of a second or more."""
    verdicts = [(at, action.fact) for at, action in dump.actions(Observed) if action.fact in _VERDICTS]
    for start, length, caller, agent in _meetings(voices):
        came_in = "caller" if caller.start > agent.start else "agent"
        found = next((v for v in verdicts if start <= v[0] <= start + length + _VERDICT_US), None)
        if found is not None:
            verdicts.remove(found)
        floor = "caller" if caller.end > agent.end else "agent"
        yield Overlap(to_seconds(start), to_seconds(length), came_in, floor, found[1] if found else "")


def _meetings(voices: Voices) -> list[tuple[int, int, Span, Span]]:
    """(start, length, the caller's span, the agent's), in order of time."""
    met = []
    for caller in voices.caller:
        for agent in voices.agent:
            length = common(caller, agent)
            if length >= _OVERLAP_US:
                met.append((max(caller.start, agent.start), length, caller, agent))
    return sorted(met)


def silences(dump: Dump, voices: Voices) -> Iterator[Silence]:
    """A second or more in which nothing was to be heard, from the call's beginning to its end."""
    sides = {"caller": voices.caller, "agent": voices.agent}
    for quiet in between((*voices.caller, *voices.agent, *voices.music), dump.duration_us):
        if quiet.length < _SILENCE_US:
            continue
        ended = [(span.end, party) for party, spans in sides.items() for span in spans if span.end <= quiet.start]
        begun = [(span.start, party) for party, spans in sides.items() for span in spans if span.start >= quiet.end]
        yield Silence(
            to_seconds(quiet.start),
            to_seconds(quiet.length),
            max(ended)[1] if ended else "",
            min(begun)[1] if begun else "",
        )


def interruptions(dump: Dump) -> Iterator[Interruption]:
    """Each time the floor was taken: by the caller (the call yielded), or by the agent from a caller who left no pause."""
    steps = dump.steps
    for n, step in enumerate(steps):
        for action in step.actions:
            if not isinstance(action, Observed):
                continue
            if action.fact == "monologue":
                yield Interruption(to_seconds(step.at), "agent")
            elif action.fact == "barge_in":
                cut = next((a.turn for a in step.actions if isinstance(a, TurnTaken) and a.turn.party == "agent"), None)
                heard, unheard = "", ""
                if cut is not None:
                    heard = cut.heard
                    unheard = cut.text[len(heard) :].strip() if cut.text.startswith(heard) else cut.text
                resumed = _resumed(dump, n)
                at = max(0.0, to_seconds(step.at) - action.value)
                yield Interruption(round(at, 3), "caller", action.value, heard, unheard, resumed)


def _resumed(dump: Dump, number: int) -> bool:
    """Whether what cut the agent in that step was no turn, so that the agent went on."""
    for step in dump.steps[number + 1 :]:
        for action in step.actions:
            if isinstance(action, Observed) and action.fact == "false_interruption":
                return True
            if isinstance(action, Observed) and action.fact == "barge_in":
                return False
            if isinstance(action, TurnTaken) and action.turn.party == "caller":
                return False
    return False


def tools(dump: Dump) -> Iterator[ToolCall]:
    """Tool calls in the order in which they began, matched by reply and name."""
    running: dict[tuple[int, str], list[tuple[int, ToolStarted]]] = {}
    ended: list[tuple[int, int, ToolStarted, str]] = []
    for at, event in dump.events(ToolStarted, ToolFinished):
        waiting = running.setdefault((event.reply, event.tool), [])
        if isinstance(event, ToolStarted):
            waiting.append((at, event))
        elif waiting:
            began, call = waiting.pop(0)
            ended.append((began, at, call, "failed" if event.failed else "finished"))
    for waiting in running.values():
        ended += [(began, dump.duration_us, call, "unfinished") for began, call in waiting]
    for began, end, call, outcome in sorted(ended, key=lambda tool: tool[:2]):
        yield ToolCall(to_seconds(began), to_seconds(end - began), call.tool, call.arguments, outcome)
