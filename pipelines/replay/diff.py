"""Where two runs of a call part: the first step whose actions differ, and the transcripts side by side."""

from collections.abc import Sequence

import msgspec

from pipelines.actions import Action, Turn
from pipelines.events import Event
from pipelines.replay.dump import Step
from pipelines.units import SECOND

_SHOWN = 4  # actions listed from the first that differs


class Divergence(msgspec.Struct, frozen=True):
    """The first step that came out otherwise.

    `step`: its index; `line`: its event's line in `events.jsonl`; `action`: index of the first action that differs.
    `before`: the steps that led to it, oldest first. `error`: the machine raised this instead of deciding, else "".
    """

    step: int
    line: int
    at: int
    event: Event
    action: int
    expected: tuple[Action, ...]
    got: tuple[Action, ...]
    before: tuple[Step, ...] = ()
    error: str = ""


def first_difference(expected: Sequence[Action], got: Sequence[Action]) -> int | None:
    """Index of the first action that differs, or None when both lists are the same."""
    for index, (one, other) in enumerate(zip(expected, got, strict=False)):
        if one != other:
            return index
    return None if len(expected) == len(got) else min(len(expected), len(got))


def describe(divergence: Divergence) -> str:
    """The divergence as a few lines for a person: what led to it, what was recorded, what came out now."""
    lines = [f"differs at {seconds(divergence.at)} (line {divergence.line} of events.jsonl, step {divergence.step}):"]
    for step in divergence.before:
        lines.append(f"    {seconds(step.at):>10}  {brief(step.event)}")
        lines += [f"{'':16}-> {brief(action)}" for action in step.actions]
    lines.append(f"  > {seconds(divergence.at):>10}  {brief(divergence.event)}")
    same = divergence.action
    lines += [f"{'':16}-> {brief(action)}" for action in divergence.expected[:same]]
    lines += _listed("recorded", divergence.expected[same:])
    lines += [f"    now         !! {divergence.error}"] if divergence.error else _listed("now", divergence.got[same:])
    return "\n".join(lines)


def _listed(who: str, actions: Sequence[Action]) -> list[str]:
    shown = [brief(action) for action in actions[:_SHOWN]] or ["nothing"]
    if len(actions) > _SHOWN:
        shown.append(f"... and {len(actions) - _SHOWN} more")
    return [f"    {who:<12}-> {line}" for line in shown]


def seconds(us: int) -> str:
    """Call time for people: seconds to the millisecond."""
    return f"{us / SECOND:.3f}s"


def brief(value: Event | Action) -> str:
    """One line: the class and its fields, audio as its size."""
    fields = []
    for name in value.__struct_fields__:
        field = getattr(value, name)
        fields.append(f"{name}={len(field)} bytes" if isinstance(field, bytes) else f"{name}={field!r}")
    text = f"{type(value).__name__}({', '.join(fields)})"
    return text if len(text) <= 200 else text[:197] + "..."


def side_by_side(recorded: Sequence[Turn], now: Sequence[Turn]) -> list[tuple[Turn | None, Turn | None]]:
    """Pair the turns of two transcripts, in order of time; None where one has no counterpart.

    Two turns are a pair when the same party took them and they overlap; the order of each transcript is kept.
    """
    pairs: list[tuple[Turn | None, Turn | None]] = []
    left, right = sorted(recorded, key=_start), sorted(now, key=_start)
    i = j = 0
    while i < len(left) and j < len(right):
        one, other = left[i], right[j]
        if one.party == other.party and one.start < other.end and other.start < one.end:
            pairs.append((one, other))
            i, j = i + 1, j + 1
        elif one.start <= other.start:
            pairs.append((one, None))
            i += 1
        else:
            pairs.append((None, other))
            j += 1
    pairs += [(turn, None) for turn in left[i:]]
    pairs += [(None, turn) for turn in right[j:]]
    return pairs


def _start(turn: Turn) -> float:
    return turn.start
