import asyncio
import threading
from functools import partial

import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.events import ModelFailed, TurnJudged
from server.inference.newest import NewestWorker
from tests.helpers.desk import WAIT, Desk, busy, close_while_asked, open_desk


class ScriptedDetector:
    """Says the first sample of what it is given; `heard` keeps them. `gate`: cleared, it holds the model up. `faults`:
    what its next runs raise."""

    def __init__(self):
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.heard = []
        self.faults = []

    def p_end(self, audio):
        self.heard.append(round(float(audio[0]), 2))
        self.entered.set()
        assert self.gate.wait(10)
        if self.faults:
            raise self.faults.pop()
        return self.heard[-1]


def _judged(detector, request, audio):
    return TurnJudged(request, detector.p_end(audio))


class TurnDesk(Desk):
    """Request n has the audio n / 100."""

    def __init__(self, detector, timeout_s=WAIT):
        super().__init__()
        self.worker = NewestWorker("turn", detector, timeout_s=timeout_s, observe=self.observe)

    def ask(self, owner, request):
        audio = np.full(512, request / 100, np.float32)
        judge = partial(_judged, self.worker.model, request, audio)
        self.worker.submit(request, judge, self.deliver_to(owner), owner)


@pytest.fixture
async def detector():
    detector = ScriptedDetector()
    yield detector
    detector.gate.set()


@pytest.fixture
async def desk(detector):
    async with open_desk(TurnDesk(detector), detector, "turn") as desk:
        yield desk


async def test_a_request_is_answered_on_the_loop(desk):
    desk.ask("a", 70)
    assert await desk.answered(1) == [("a", TurnJudged(70, 0.7))]


async def test_calls_take_turns_and_only_the_newest_request_of_each_is_judged(desk, detector):
    await busy(desk, detector)
    for owner, request in (("a", 1), ("b", 2), ("a", 3), ("a", 4), ("c", 5)):
        desk.ask(owner, request)
    detector.gate.set()
    await desk.answered(4)
    assert detector.heard == [0.99, 0.02, 0.04, 0.05]
    assert [event.request for _, event in desk.answers] == [99, 2, 4, 5]
    assert desk.count("turn_superseded") == 2


async def test_a_newer_request_does_not_take_the_answer_of_one_that_runs(desk, detector):
    await busy(desk, detector, request=1)
    desk.ask("busy", 2)
    detector.gate.set()
    assert await desk.answered(2) == [("busy", TurnJudged(1, 0.01)), ("busy", TurnJudged(2, 0.02))]


async def test_a_call_that_ended_is_neither_judged_nor_answered(desk, detector):
    await busy(desk, detector)
    desk.ask("a", 1)
    desk.ask("b", 2)
    desk.worker.cancel("a")
    desk.worker.cancel("busy")
    detector.gate.set()
    assert await desk.answered(1) == [("b", TurnJudged(2, 0.02))]
    assert detector.heard == [0.99, 0.02]


async def test_a_failing_model_is_an_event_without_the_callers_words(desk, detector):
    detector.faults = [RuntimeError("what the caller said"), ModelError("It failed.")]
    desk.ask("a", 1)
    desk.ask("b", 2)
    desk.ask("c", 3)
    assert await desk.answered(3) == [
        ("a", ModelFailed("turn", 1, "It failed.")),
        ("b", ModelFailed("turn", 2, "RuntimeError")),
        ("c", TurnJudged(3, 0.03)),
    ]


async def test_waiting_or_running_too_long_is_a_failure_and_a_late_answer_is_dropped(detector):
    desk = TurnDesk(detector, timeout_s=0.05)
    await busy(desk, detector, request=1)
    desk.ask("b", 2)
    desk.ask("c", 4)
    assert await desk.answered(3) == [
        ("busy", ModelFailed("turn", 1, "timeout")),
        ("b", ModelFailed("turn", 2, "timeout")),
        ("c", ModelFailed("turn", 4, "timeout")),
    ]
    assert desk.count("turn_timeout") == 3
    detector.gate.set()
    async with asyncio.timeout(WAIT):  # until the hung run has returned
        while not any(isinstance(event, TurnJudged) for _, event in desk.answers):
            desk.ask("b", 3)
            await desk.answered(len(desk.answers) + 1)
    assert {0.02, 0.04}.isdisjoint(detector.heard)
    assert [event.request for _, event in desk.answers].count(1) == 1
    await desk.worker.aclose()


async def test_closing_forgets_what_waits_and_what_runs(detector):
    desk = TurnDesk(detector)
    await close_while_asked(desk, detector)
    assert detector.heard == [0.99]


async def test_it_tells_waits_runs_and_depths(desk, detector):
    await busy(desk, detector)
    desk.ask("a", 1)
    desk.ask("b", 2)
    assert ("turn_depth", 2) in desk.seen
    detector.gate.set()
    await desk.answered(3)
    assert sum(name == "turn_run_s" for name, _ in desk.seen) == 3
    assert sum(name == "turn_wait_s" for name, _ in desk.seen) == 3
