"""Calls to analyse: made on the bench, as dumps."""

import msgspec

from pipelines.replay.dump import Dump, Step
from tests.helpers.bench import Bench
from tests.helpers.replay import meta


def recorded(bench: Bench, **about) -> Dump:
    """The dump of what happened on the bench."""
    told = msgspec.structs.replace(meta(settings=bench.call.settings), **about)
    return Dump(told, tuple(Step(at, event, tuple(actions)) for at, event, actions in bench.log))
