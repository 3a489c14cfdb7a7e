"""The replaying driver: gives a call the events it once was given, at their times, and compares its decisions."""

from collections import deque
from collections.abc import Callable

import msgspec

from pipelines.actions import Action
from pipelines.call import Call
from pipelines.events import Event
from pipelines.replay.diff import Divergence, first_difference
from pipelines.replay.dump import Dump, Step
from pipelines.turns.policy import CallSettings

CONTEXT = 4
"""Steps shown before a divergence."""


class Replayed(msgspec.Struct, frozen=True):
    """Outcome of a replay: how many steps and actions came out the same, and the first that did not."""

    steps: int
    actions: int
    divergence: Divergence | None = None

    @property
    def same(self) -> bool:
        return self.divergence is None


def replay(dump: Dump, make_call: Callable[[CallSettings], Call] = Call) -> Replayed:
    """Run `dump` through a fresh call with the dump's own settings, up to the first step that differs.

    The last step of an incomplete dump may lack actions: there the actions that were kept must be the first ones.
    """
    call = make_call(dump.meta.settings)
    before: deque[Step] = deque(maxlen=CONTEXT)
    actions = 0
    for index, step in enumerate(dump.steps):
        got: tuple[Action, ...] = ()
        error = ""
        try:
            got = tuple(call.receive(step.at, step.event))
        except Exception as raised:  # a machine that raises is what a replay is for: say where
            error = f"{type(raised).__name__}: {raised}"
        if index == len(dump.steps) - 1 and not dump.complete:
            got = got[: len(step.actions)]
        differs = first_difference(step.actions, got)
        if differs is None and error:
            differs = 0
        if differs is not None:
            return Replayed(index, actions, _divergence(index, step, differs, got, tuple(before), error))
        actions += len(got)
        before.append(step)
    return Replayed(len(dump.steps), actions)


def _divergence(
    index: int, step: Step, action: int, got: tuple[Action, ...], before: tuple[Step, ...], error: str
) -> Divergence:
    event: Event = step.event
    return Divergence(index, step.line, step.at, event, action, step.actions, got, before, error)
