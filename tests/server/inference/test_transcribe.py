import asyncio
import threading
import time

import numpy as np
import pytest

from pipelines.actions import Transcribe
from pipelines.errors import ModelError
from pipelines.events import ModelFailed, TranscriptReady
from server.inference import thread
from server.inference.transcribe import TranscribeWorker
from tests.helpers.desk import WAIT, Desk, busy, close_while_asked, open_desk
from tests.helpers.hearing import ScriptedStt


class HearingDesk(Desk):
    """Request n has the audio n."""

    def __init__(self, stt, fallback=None, timeout_s=WAIT):
        super().__init__()
        self.worker = TranscribeWorker(stt, fallback, timeout_s=timeout_s, observe=self.observe)

    def ask(self, owner, request, *, final=True, attempt=0):
        action = Transcribe(request, 0, 512, final, attempt=attempt)
        audio = np.full(512, request, np.float32)
        self.worker.submit(action, audio, ("en", "fr"), "Allô", self.deliver_to(owner), owner)


@pytest.fixture
async def stt():
    stt = ScriptedStt()
    yield stt
    stt.gate.set()


@pytest.fixture
async def desk(stt):
    async with open_desk(HearingDesk(stt), stt, "stt") as desk:
        yield desk


async def test_a_request_is_answered_on_the_loop(desk):
    desk.ask("a", 7)
    assert await desk.answered(1) == [("a", TranscriptReady(7, "7", "en", 0.9))]


async def test_finals_go_before_partials_in_the_order_asked(desk, stt):
    await busy(desk, stt)
    desk.ask("a", 1, final=False)
    desk.ask("b", 2, final=False)
    desk.ask("c", 3)
    desk.ask("d", 4)
    stt.gate.set()
    await desk.answered(5)
    assert stt.heard == [99, 3, 4, 1, 2]


async def test_a_newer_partial_or_a_final_takes_the_place_of_a_waiting_partial(desk, stt):
    await busy(desk, stt)
    desk.ask("a", 1, final=False)
    desk.ask("a", 2, final=False)
    desk.ask("b", 3, final=False)
    desk.ask("b", 4)
    stt.gate.set()
    await desk.answered(3)
    assert stt.heard == [99, 4, 2]
    assert desk.count("stt_superseded") == 2


async def test_finals_of_one_call_are_all_answered(desk, stt):
    await busy(desk, stt)
    for request in (1, 2, 3):
        desk.ask("a", request)
    stt.gate.set()
    await desk.answered(4)
    assert stt.heard == [99, 1, 2, 3]


async def test_a_call_that_ended_is_neither_run_nor_answered(desk, stt):
    await busy(desk, stt)
    desk.ask("a", 1)
    desk.ask("a", 2, final=False)
    desk.ask("b", 3)
    desk.worker.cancel("a")
    desk.worker.cancel("busy")
    stt.gate.set()
    assert await desk.answered(1) == [("b", TranscriptReady(3, "3", "en", 0.9))]
    assert stt.heard == [99, 3]


async def test_a_failing_model_is_an_event_without_the_callers_words(desk, stt):
    faults = [RuntimeError("what the caller said"), ModelError("Whisper failed.")]

    def fail(audio, final):
        raise faults.pop()

    stt.say = fail
    desk.ask("a", 1)
    desk.ask("a", 2)
    assert await desk.answered(2) == [
        ("a", ModelFailed("stt", 1, "Whisper failed.")),
        ("a", ModelFailed("stt", 2, "RuntimeError")),
    ]


async def test_the_second_retry_goes_to_the_fallback(stt):
    fallback = ScriptedStt(lambda audio, final: "from the fallback")
    desk = HearingDesk(stt, fallback)
    for attempt in (0, 1, 2):
        desk.ask("a", attempt, attempt=attempt)
    await desk.answered(3)
    assert stt.heard == [0, 1]
    assert fallback.heard == [2]
    await desk.worker.aclose()


async def test_without_a_fallback_the_model_serves_every_attempt(desk, stt):
    desk.ask("a", 5, attempt=2)
    await desk.answered(1)
    assert stt.heard == [5]


async def test_a_hung_model_is_fenced_off_until_it_returns(stt):
    fallback = ScriptedStt()
    desk = HearingDesk(stt, fallback, timeout_s=0.05)
    await busy(desk, stt, request=1)
    desk.ask("b", 2)
    desk.ask("c", 3, final=False)
    await desk.answered(3)
    reasons = {event.request: event.reason for _, event in desk.answers}
    assert reasons[1] == "timeout"
    assert set(reasons) == {1, 2, 3}

    desk.ask("b", 4, attempt=1)
    await desk.answered(4)
    assert desk.answers[3] == ("b", ModelFailed("stt", 4, "the model hangs"))
    desk.ask("b", 5, attempt=2)
    await desk.answered(5)
    assert desk.answers[4] == ("b", TranscriptReady(5, "5", "en", 0.9))

    stt.gate.set()
    async with asyncio.timeout(WAIT):
        while desk.count("stt_run_s") == 0 or desk.answers[-1][1] != TranscriptReady(6, "6", "en", 0.9):
            desk.ask("b", 6)
            await desk.answered(len(desk.answers) + 1)
    assert [event.request for _, event in desk.answers].count(1) == 1
    await desk.worker.aclose()


async def test_under_overload_what_waits_too_long_fails_alone():
    def slowly(audio, final):
        time.sleep(0.4)  # a model keeps its thread busy for real time, and the worker's limits are real time too
        return "late but good"

    desk = HearingDesk(ScriptedStt(slowly), timeout_s=0.6)
    for owner in "abc":
        desk.ask(owner, 1)
    assert await desk.answered(3) == [
        ("a", TranscriptReady(1, "late but good", "en", 0.9)),
        ("c", ModelFailed("stt", 1, "timeout")),
        ("b", TranscriptReady(1, "late but good", "en", 0.9)),
    ]
    await desk.worker.aclose()


async def test_closing_forgets_what_waits_and_what_runs(stt):
    desk = HearingDesk(stt)
    await close_while_asked(desk, stt)
    assert stt.heard == [99]


async def test_a_thread_that_never_returns_does_not_hold_up_closing(stt, monkeypatch):
    monkeypatch.setattr(thread, "_PATIENCE_S", 0.05)
    desk = HearingDesk(stt)
    await busy(desk, stt)
    await asyncio.wait_for(desk.worker.aclose(), WAIT)
    left = [t for t in threading.enumerate() if t.name == "stt"]
    assert all(t.daemon for t in left)
    stt.gate.set()
    for t in left:
        await asyncio.to_thread(t.join, WAIT)


async def test_it_tells_waits_runs_and_depths(desk, stt):
    await busy(desk, stt)
    desk.ask("a", 1)
    desk.ask("b", 2, final=False)
    assert ("stt_depth", 2) in desk.seen
    stt.gate.set()
    await desk.answered(3)
    assert sum(name == "stt_run_s" for name, _ in desk.seen) == 3
    assert sum(name == "stt_wait_s" for name, _ in desk.seen) == 3
