"""A server's analyses: written after the call, asked about when it is quiet, at no call's cost."""

import asyncio
from collections import Counter
from concurrent.futures import Future
from contextlib import asynccontextmanager

import pytest

import server.analysis.analyst as room
from pipelines.adapters.agent.factory import Endpoint
from pipelines.analysis.files import FILE, read_analysis
from server.agent_config import AgentConfig
from server.analysis.analyst import Analyst
from server.observe.recorder import Recorder
from tests.helpers.agent import FakeEndpoint, serving
from tests.helpers.replay import two_parties
from tests.server.analysis.test_findings import answered

AGENT = AgentConfig(name="practice", analyse=True)
CAR = AgentConfig.model_validate(
    {"name": "practice", "analyse": True, "extract": {"car": {"description": "which car it is about"}}}
)
FOUND = {"summary": "A car.", "fields": {"car": {"quote": "It is the convertible", "value": "convertible"}}}


@pytest.fixture
def folder(tmp_path):
    recorder = Recorder(tmp_path / "calls")
    dump = two_parties()
    recording = recorder.open(dump.meta)
    for step in dump.steps:
        recording.write(step.at, step.event, step.actions)
    written = recording.close().result(10)
    recorder.close()
    return written


def recorded(folder) -> Future:
    future: Future = Future()
    future.set_result(folder)
    return future


class Counts(Counter):
    """Outcomes, which can be waited for."""

    def __init__(self):
        super().__init__()
        self.changed = asyncio.Event()

    def __call__(self, outcome: str) -> None:
        self[outcome] += 1
        self.changed.set()

    async def until(self, **wanted: int) -> None:
        async with asyncio.timeout(280):  # the child gives way to all else on the machine
            while any(self[name] < count for name, count in wanted.items()):
                self.changed.clear()
                await self.changed.wait()


@asynccontextmanager
async def analyst(llm=None, calls: bool = False):
    quiet, counts = asyncio.Event(), Counts()
    if not calls:
        quiet.set()
    made = Analyst(llm, "big", quiet, counts)
    try:
        yield made, counts, quiet
    finally:
        await made.aclose()


async def test_a_child_writes_it_beside_the_dump(folder):
    async with analyst() as (made, counts, _):
        made.take(recorded(folder), AGENT)
        await counts.until(written=1)
    found = read_analysis(folder)
    assert (found.call_id, found.findings) == ("CA0c1d", None)
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    assert not list(folder.glob("*.partial"))


async def test_a_call_without_consent_has_none(tmp_path, folder):
    async with analyst() as (made, counts, _):
        made.take(recorded(None), AGENT)
        made.take(recorded(folder), AGENT)
        await counts.until(written=1)
    assert counts == {"written": 1}


async def test_a_dump_that_is_gone_costs_itself_alone(tmp_path, folder):
    async with analyst() as (made, counts, _):
        made.take(recorded(tmp_path / "gone"), AGENT)
        made.take(recorded(folder), AGENT)
        await counts.until(failed=1, written=1)


async def test_findings_come_later_into_the_same_file(folder):
    fake = FakeEndpoint(answered(FOUND))
    async with serving(fake) as url, analyst(Endpoint(url, "big")) as (made, counts, _):
        made.take(recorded(folder), CAR)
        await counts.until(found=1)
    found = read_analysis(folder)
    assert found.findings.summary == "A car."
    assert found.findings.fields["car"].value == "convertible"


async def test_a_model_that_fails_is_asked_once_and_said(folder):
    fake = FakeEndpoint([{"status": 500, "body": {}}])
    async with serving(fake) as url, analyst(Endpoint(url, "big")) as (made, counts, _):
        made.take(recorded(folder), CAR)
        await counts.until(not_found=1)
    assert "InternalServerError" in read_analysis(folder).findings_missing
    assert len(fake.requests) == 1


async def test_an_endpoint_does_not_wait_for_quiet(folder):
    fake = FakeEndpoint(answered(FOUND))
    async with serving(fake) as url, analyst(Endpoint(url, "big"), calls=True) as (made, counts, _):
        made.take(recorded(folder), CAR)
        await counts.until(found=1)


# ---- the embedded model, which computes where calls do: an endpoint in its place


@pytest.fixture
def embedded(monkeypatch):
    """What runs on this machine, as far as the analyst can tell."""
    monkeypatch.setattr(room, "EmbeddedEngine", Endpoint)


async def test_the_embedded_model_is_asked_when_there_is_no_call(folder, embedded):
    fake = FakeEndpoint(answered(FOUND))
    async with serving(fake) as url, analyst(Endpoint(url, "big"), calls=True) as (made, counts, quiet):
        made.take(recorded(folder), CAR)
        await counts.until(written=1)
        await asyncio.sleep(0.05)
        assert fake.requests == []
        quiet.set()
        await counts.until(found=1)
    assert len(fake.requests) == 1


async def test_a_call_that_begins_has_the_model_back_and_the_question_comes_again(folder, embedded):
    fake = FakeEndpoint([30.0], answered(FOUND))
    async with serving(fake) as url, analyst(Endpoint(url, "big")) as (made, counts, quiet):
        made.take(recorded(folder), CAR)
        async with asyncio.timeout(280):
            while not fake.requests:  # noqa: ASYNC110 - the fake has no event for it
                await asyncio.sleep(0.01)
        quiet.clear()
        made.call_begins()
        async with asyncio.timeout(10):
            await fake.dropped.wait()  # the model's side has seen it
        assert len(fake.requests) == 1
        quiet.set()
        await counts.until(found=1)
    assert read_analysis(folder).findings.summary == "A car."


async def test_a_question_that_is_always_cut_off_is_given_up(folder, embedded):
    fake = FakeEndpoint([30.0], [30.0], [30.0], answered(FOUND))
    async with serving(fake) as url, analyst(Endpoint(url, "big")) as (made, counts, _):
        made.take(recorded(folder), CAR)
        async with asyncio.timeout(280):
            for n in (1, 2, 3):
                while len(fake.requests) < n:  # noqa: ASYNC110 - the fake has no event for it
                    await asyncio.sleep(0.01)
                made.call_begins()
        await counts.until(not_found=1)
    assert len(fake.requests) == 3
    assert read_analysis(folder).findings_missing == "calls came in between"


async def test_the_queue_is_bounded():
    async with analyst() as (made, counts, _):
        never: Future = Future()
        for _ in range(room.WAITING + 5):
            made.take(never, AGENT)
        assert counts["left_out"] == 5


async def test_closing_leaves_no_child_and_no_task(folder):
    before = asyncio.all_tasks()
    async with analyst() as (made, _, _):
        made.take(recorded(folder), AGENT)
        await asyncio.sleep(0.1)
        await made.aclose()
        await made.aclose()
    assert asyncio.all_tasks() == before
