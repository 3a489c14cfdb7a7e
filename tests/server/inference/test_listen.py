import asyncio
import threading

import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.events import ModelFailed, WindowAnalyzed
from server.inference.listen import VoiceWorker
from tests.helpers.hearing import LoudnessVad

WAIT = 5


def window(value):
    return np.full(512, value, np.float32)


class Caller:
    """One stream and what it was told."""

    def __init__(self, worker):
        self.events = []
        self.news = asyncio.Event()
        self.stream = worker.open(self.deliver)

    def deliver(self, event):
        self.events.append(event)
        self.news.set()

    async def told(self, count):
        async with asyncio.timeout(WAIT):
            while len(self.events) < count:
                self.news.clear()
                await self.news.wait()


class Observer:
    def __init__(self):
        self.seen = []

    def __call__(self, name, value):
        self.seen.append((name, value))

    def total(self, name):
        return sum(value for seen, value in self.seen if seen == name)


@pytest.fixture
async def vad():
    return LoudnessVad()


@pytest.fixture
async def observe():
    return Observer()


@pytest.fixture
async def worker(vad, observe):
    worker = VoiceWorker(vad, observe=observe)
    yield worker
    vad.gate.set()
    await worker.aclose()
    assert not [t for t in threading.enumerate() if t.name == "vad"]


async def hold(vad, caller):
    """Put a batch of the caller's one window on the thread, and keep it there."""
    vad.gate.clear()
    caller.stream.analyze(0, window(0))
    assert await asyncio.to_thread(vad.entered.wait, WAIT)


async def test_windows_come_back_in_order_with_the_calls_own_state(worker):
    callers = [Caller(worker) for _ in range(3)]
    for turn in range(4):
        for n, caller in enumerate(callers):
            caller.stream.analyze(512 * turn, window(n * 0.25))
    for n, caller in enumerate(callers):
        await caller.told(4)
        assert caller.events == [WindowAnalyzed(512 * turn, n * 0.25 + turn) for turn in range(4)]


async def test_what_waits_is_run_together_but_never_two_windows_of_one_call(worker, vad):
    callers = [Caller(worker) for _ in range(20)]
    await hold(vad, callers[0])
    for caller in callers:
        caller.stream.analyze(512, window(0))
        caller.stream.analyze(1024, window(0))
    vad.gate.set()
    await asyncio.gather(*(caller.told(2) for caller in callers))
    await callers[0].told(3)
    assert vad.batches[-2:] == [20, 20]


async def test_with_many_calls_the_next_batch_gathers(worker, vad):
    callers = [Caller(worker) for _ in range(30)]
    for caller in callers:
        caller.stream.analyze(0, window(0))
        await asyncio.sleep(0)
    await asyncio.gather(*(caller.told(1) for caller in callers))
    assert vad.batches == [1, 29]


async def test_a_batch_is_bounded(worker, vad):
    callers = [Caller(worker) for _ in range(100)]
    for caller in callers:
        caller.stream.analyze(0, window(0))
    await asyncio.gather(*(caller.told(1) for caller in callers))
    assert max(vad.batches) <= 64


async def test_a_full_queue_drops_the_oldest_and_counts(worker, vad, observe):
    caller = Caller(worker)
    await hold(vad, caller)
    for n in range(1, 21):
        caller.stream.analyze(512 * n, window(0))
    vad.gate.set()
    await caller.told(17)
    assert [event.first for event in caller.events] == [0, *(512 * n for n in range(5, 21))]
    assert observe.total("vad_dropped") == 4


async def test_a_failing_model_fails_its_batch_and_lives_on(worker, vad, observe):
    caller = Caller(worker)
    vad.faults = [RuntimeError("secret words"), ModelError("Voice activity detection failed.")]
    for n in range(3):
        caller.stream.analyze(512 * n, window(0))
    await caller.told(3)
    assert caller.events == [
        ModelFailed("vad", 0, "Voice activity detection failed."),
        ModelFailed("vad", 512, "RuntimeError"),
        WindowAnalyzed(1024, 0.0),
    ]
    assert observe.total("vad_failed") == 2


async def test_a_run_that_hangs_fails_all_that_wait_and_all_that_come_until_it_returns(vad, observe):
    worker = VoiceWorker(vad, observe=observe, timeout_s=0.05)
    first, other = Caller(worker), Caller(worker)
    await hold(vad, first)
    first.stream.analyze(512, window(0))
    other.stream.analyze(0, window(0))
    await asyncio.gather(first.told(2), other.told(1))
    other.stream.analyze(512, window(0))
    await other.told(2)
    assert first.events == [ModelFailed("vad", 0, "timeout"), ModelFailed("vad", 512, "the model hangs")]
    assert other.events == [ModelFailed("vad", n, "the model hangs") for n in (0, 512)]
    assert (observe.total("vad_timeout"), observe.total("vad_failed")) == (1, 4)

    observe.seen.clear()
    vad.gate.set()
    async with asyncio.timeout(WAIT):
        while not any(name == "vad_run_s" for name, _ in observe.seen):  # noqa: ASYNC110 - one of many measurements
            await asyncio.sleep(0.001)
    first.stream.analyze(1024, window(0.5))
    await first.told(3)
    assert first.events[2] == WindowAnalyzed(1024, 0.5)  # the state is still that of before: the late run is dropped
    await worker.aclose()


async def test_a_run_within_its_limit_is_no_hang(vad, observe):
    worker = VoiceWorker(vad, observe=observe, timeout_s=0.05)
    caller = Caller(worker)
    caller.stream.analyze(0, window(0))
    await caller.told(1)
    await asyncio.sleep(0.1)
    assert observe.total("vad_timeout") == 0
    await worker.aclose()


async def test_a_call_that_closes_while_the_model_hangs_hears_no_more(vad, observe):
    worker = VoiceWorker(vad, observe=observe, timeout_s=0.05)
    gone, stays = Caller(worker), Caller(worker)
    await hold(vad, gone)
    gone.stream.close()
    stays.stream.analyze(0, window(0))
    await stays.told(1)
    stays.stream.analyze(512, window(0))
    stays.stream.close()
    await asyncio.sleep(0)
    assert (len(gone.events), len(stays.events)) == (0, 1)
    vad.gate.set()
    await worker.aclose()


async def test_a_call_that_closes_in_flight_hears_no_more_and_harms_nobody(worker, vad):
    gone, stays = Caller(worker), Caller(worker)
    await hold(vad, gone)
    gone.stream.analyze(512, window(0))
    stays.stream.analyze(0, window(0))
    gone.stream.close()
    gone.stream.close()
    gone.stream.analyze(1024, window(0))
    vad.gate.set()
    await stays.told(1)
    assert gone.events == []
    assert vad.batches == [1, 1]


async def test_one_calls_fault_does_not_cost_the_others_theirs(worker, vad):
    reported = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: reported.append(context["exception"]))
    first, faulty, other = Caller(worker), Caller(worker), Caller(worker)
    await hold(vad, first)

    def fail(event):
        raise KeyError("a call's fault")

    faulty.stream.deliver = fail
    faulty.stream.analyze(0, window(0))
    other.stream.analyze(0, window(0))
    vad.gate.set()
    await other.told(1)
    assert [type(error) for error in reported] == [KeyError]


class Halver:
    """A denoiser that halves, and counts in its state."""

    delay = 0

    def initial_state(self):
        return 0

    def denoise(self, audio, state):
        return audio / 2 + state, state + 100


async def test_the_model_hears_what_the_denoiser_leaves(vad, observe):
    worker = VoiceWorker(vad, Halver(), observe=observe)
    caller = Caller(worker)
    caller.stream.analyze(0, window(0.5))
    caller.stream.analyze(512, window(0.5))
    await caller.told(2)
    assert [event.p_speech for event in caller.events] == [0.25, 0.25 + 100 + 1]
    await worker.aclose()


async def test_a_denoiser_that_takes_too_long_is_left_out(vad, observe):
    worker = VoiceWorker(vad, Halver(), observe=observe, denoise_s=0)
    caller = Caller(worker)
    caller.stream.analyze(0, window(0.5))
    await caller.told(1)
    assert [event.p_speech for event in caller.events] == [0.5]
    assert ("denoise_skipped", 1) in observe.seen
    await worker.aclose()


async def test_closing_with_work_in_flight_and_queued_leaves_nothing(vad, observe):
    before = set(threading.enumerate())
    worker = VoiceWorker(vad, observe=observe)
    caller = Caller(worker)
    await hold(vad, caller)
    caller.stream.analyze(512, window(0))
    closing = asyncio.ensure_future(worker.aclose())
    await asyncio.sleep(0)
    vad.gate.set()
    await asyncio.wait_for(closing, WAIT)
    caller.stream.analyze(1024, window(0))
    assert {t for t in threading.enumerate() if t.name == "vad"} <= before
    assert len(vad.batches) == 1


async def test_it_tells_how_long_windows_wait_and_run(worker, observe):
    caller = Caller(worker)
    caller.stream.analyze(0, window(0))
    await caller.told(1)
    assert {"vad_wait_s", "vad_run_s", "vad_depth"} <= {name for name, _ in observe.seen}
    assert observe.total("vad_batch") == 1
