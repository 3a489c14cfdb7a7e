"""Calls that are over through the console: list, page, sound, downloads, replays, forgetting; everything drawn by the real child."""

import asyncio
import io
import json
import os
import re
import tarfile
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlsplit

import msgspec
import numpy as np
import pytest
import soundfile
import structlog

from pipelines.replay.dump import read_dump
from server.console.download import tarred
from server.console.index import FILE
from server.console.replays import ReplayError, Replays
from server.console.rerun import Request
from server.console.workshop import Job, Workshop, WorkshopError
from server.observe.listen import both_sides
from tests.helpers.recorded import entries, save
from tests.helpers.replay import two_parties
from tests.server.analysis.test_page import Page

OTHER = {"started": datetime(2026, 11, 22, tzinfo=UTC), "call_id": "CAother", "caller": "+33699999999"}


@pytest.fixture
def folder(calls):
    return save(calls)


# ---- the list


async def test_past_calls_are_listed_and_searched(open_console, calls, folder):
    other = save(calls, **OTHER)
    async with open_console() as operator:
        page = (await operator.get("/")).decode()
        assert page.index(other.name) < page.index(folder.name)
        assert "+1555" not in page
        assert "•••999" in page
        assert "<mark>" in (await operator.get("/?words=convertible&agent=practice&gap=2")).decode()
        assert "No call is like that" in (await operator.get("/?words=nothing-of-the-kind")).decode()
        only = (await operator.get("/?since=2026-11-22&until=2026-11-22")).decode()
        assert other.name in only
        assert folder.name not in only
        assert operator.audit == []  # looking through the list is no action on a call


async def test_a_list_page_of_a_thousand_calls_is_drawn_at_once(open_console):
    """Its own time of this process: others compute too. The search and the drawing of 50 rows."""
    from server.console.pages import page
    from server.console.search import PAGE, Search

    async with open_console() as operator:
        await operator.house.archive.ask(lambda index: index.put(entries(1_000)))
        first = (await operator.get("/")).decode()
        assert first.count("<tr>") >= PAGE
        assert "1,000" in first
        import time

        def draw(index):
            began = time.thread_time()
            told = {"listing": index.search(Search()), "choices": index.choices()}
            page(
                "calls.html.j2",
                who="x",
                here="",
                live=[],
                calls_now=0,
                search=Search(),
                per_page=PAGE,
                unavailable="",
                indexing=False,
                unopened=0,
                stale=False,
                **told,
            )
            return time.thread_time() - began

        assert await operator.house.archive.ask(draw) < 0.2
        Page(first)
        assert "page=2" in first
        assert (await operator.get("/?page=20")).decode().count("CA0") == PAGE


async def test_a_number_is_looked_for_and_stands_nowhere(open_console, calls, folder):
    other = save(calls, **OTHER)
    with structlog.testing.capture_logs() as logs:
        async with open_console() as operator:
            place = await operator.post("/search", whose="+33 6 99 99 99 99", agent="practice")
            page = (await operator.get(place)).decode()
            assert other.name in page
            assert folder.name not in page
            again = dict(parse_qsl(urlsplit(place).query))
            assert await operator.post("/search", whose="", **again) == place
            assert not any(shown in text for text in (place, page) for shown in ("99999999", "99%2099", "99 99"))
            nobody = await operator.post("/search", whose="+33699999998")
            assert b"No call is like that" in await operator.get(nobody)
            assert await operator.post("/search", whose=" - ") == "/"
            told = [entry for entry in operator.audit if entry["what"] == "look_for_number"]
            assert told[0] == {"who": "loopback", "what": "look_for_number", "number": "•••999"}
        async with open_console() as operator:
            assert b"Enter the number again" in await operator.get(place)
    assert "9999" not in repr(logs)
    assert b"+33699999999" not in (calls.parent / "audit.jsonl").read_bytes()


async def test_a_number_is_not_looked_for_from_another_sites_page(open_console):
    async with open_console() as operator, operator.http.post("/search", data={"whose": "+1"}) as response:
        assert response.status == 403


async def test_without_recordings_the_console_says_so(open_console):
    async with open_console(recording={}) as operator:
        assert b"No calls are recorded" in await operator.get("/")
        await operator.get("/calls/20261121T081319.123-CA0c1d", 404)
        await operator.post("/forget", 404, number="+1")


# ---- one call


async def test_one_calls_page_tells_it_all(open_console, folder):
    async with open_console() as operator:
        html = (await operator.get(f"/calls/{folder.name}")).decode()
    page = Page(html)
    for words in (
        "My last name is Fitilly",
        "find_customer",
        "barge-in",
        "partial",
        "Where the answers waited",
        "480 ms",
    ):
        assert words in page.text
    assert page.tags.count("path") >= 4
    assert "style" not in page.tags
    assert not [name for name, _ in page.attributes if name == "style" or name.startswith("on")]
    assert "+1555" not in html


async def test_its_sound_is_that_of_the_dump_and_comes_in_pieces(open_console, folder):
    dump = read_dump(folder)
    async with open_console() as operator:
        sound = await operator.get(f"/calls/{folder.name}/call.wav")
        samples, rate = soundfile.read(io.BytesIO(sound), dtype="int16")
        caller, agent, expected = both_sides(dump)
        assert rate == expected
        assert np.array_equal(samples, np.stack([caller, agent], axis=1))
        assert await operator.get(f"/calls/{folder.name}/call.wav", 206, Range="bytes=1000-1999") == sound[1_000:2_000]
        await operator.get(f"/calls/{folder.name}/call.wav", 416, Range=f"bytes={len(sound)}-")
        assert [line["what"] for line in operator.audit] == ["listen"]  # one listening, in pieces


async def test_it_is_downloaded_as_it_is(open_console, folder):
    async with open_console() as operator:
        with tarfile.open(fileobj=io.BytesIO(await operator.get(f"/calls/{folder.name}/dump.tar"))) as tar:
            members = {member.name: tar.extractfile(member).read() for member in tar}
        assert members == {f"{folder.name}/{path.name}": path.read_bytes() for path in folder.iterdir()}
        told = json.loads(await operator.get(f"/calls/{folder.name}/call.json"))
        assert (told["call_id"], len(told["turns"])) == ("CA0c1d", 6)
        assert [line["what"] for line in operator.audit] == ["download", "download_json"]


async def test_a_file_that_goes_or_shrinks_meanwhile_leaves_an_archive(tmp_path):
    (tmp_path / "a.raw").write_bytes(b"x" * 1_000_000)
    (tmp_path / "b.raw").write_bytes(b"y" * 10)
    pieces = tarred(tmp_path)
    archive = await anext(pieces)
    (tmp_path / "a.raw").write_bytes(b"x" * 300_000)
    (tmp_path / "b.raw").unlink()
    archive += b"".join([piece async for piece in pieces])
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        assert [(m.name.rpartition("/")[2], m.size) for m in tar] == [("a.raw", 1_000_000)]


# ---- replays


async def test_a_call_is_replayed_with_another_policy_and_both_runs_stand_side_by_side(open_console, calls):
    from tests.helpers.analysis import recorded
    from tests.helpers.bench import Bench

    folder = save(calls, recorded(Bench(speech=((3.0, 4.2),)).run(12)))
    async with open_console() as operator:
        place = await operator.post(
            f"/calls/{folder.name}/replay", endpoint_ms="900", endpoint_sure_ms="900", hold="false"
        )
        async with asyncio.timeout(280):
            while "As it was, and replayed" not in (html := (await operator.get(place)).decode()):
                assert "failed" not in html, html
                await asyncio.sleep(0.2)
        page = Page(html)
        assert page.text.count("caller") > 4
        assert "endpoint_ms=900, endpoint_sure_ms=900, hold=false" in page.text
        assert operator.audit[-1]["what"] == "replay"


@pytest.mark.parametrize(
    "form",
    [
        {"endpoint_ms": "fast"},
        {"endpoint_ms": "-1"},
        {"endpoint_ms": "9999999"},
        {"with": "magic"},
        {"stt": "../../etc/passwd"},
        {"instructions": "x" * 20_001},
    ],
)
async def test_what_cannot_be_replayed_is_said(open_console, folder, form):
    async with open_console() as operator:
        await operator.post(f"/calls/{folder.name}/replay", 400, **form)
        assert operator.audit == []
        await operator.get("/replays/none", 404)


async def test_a_replay_whose_models_are_missing_fails_in_words(folder, tmp_path):
    config = tmp_path / "allo.toml"
    config.write_text(f'[models]\ndir = "{tmp_path}"\norder = ["folder"]\n')
    replays = Replays()
    replay = replays.begin(folder, Request("", "", answers="models", source=str(config)), "models")
    await asyncio.gather(*replays._tasks.values())
    assert replay.state == "failed"
    assert "silero-vad" in replay.reason
    await replays.close()


async def test_replays_wait_for_each_other_are_stopped_and_forgotten(folder):
    replays = Replays()
    asked = [replays.begin(folder, Request("", ""), "x") for _ in range(4)]
    with pytest.raises(ReplayError, match="wait already"):
        replays.begin(folder, Request("", ""), "x")
    await asyncio.sleep(0)
    assert [replay.state for replay in asked] == ["running", "waiting", "waiting", "waiting"]
    tasks = list(replays._tasks.values())
    replays.stop(asked[0].id)
    replays.forget(folder.name)
    await asyncio.gather(*tasks, return_exceptions=True)
    assert all(replays.get(replay.id) is None for replay in asked)
    assert not any(replay.into.exists() for replay in asked)
    await replays.close()


# ---- forgetting


async def test_a_call_is_forgotten_by_a_button(open_console, calls, folder):
    other = save(calls, **OTHER)
    async with open_console() as operator:
        await operator.get(f"/calls/{folder.name}/call.wav")
        assert await operator.post(f"/calls/{folder.name}/forget") == "/"
        assert not folder.exists()
        assert other.exists()
        for path in ("", "/call.wav", "/call.json", "/dump.tar"):
            await operator.get(f"/calls/{folder.name}{path}", 404)
        assert folder.name not in (await operator.get("/")).decode()
        assert operator.audit[-1] == {"who": "loopback", "what": "forget", "dump": folder.name}


async def test_calls_are_forgotten_by_number_once_somebody_is_sure(open_console, calls, folder):
    other = save(calls, **OTHER)
    async with open_console() as operator:
        assert "</b>: <b>1</b>" in await operator.post("/forget", 200, number="+33 6 99 99 99 99")
        assert other.exists()
        assert "entries: 1<" in await operator.post("/forget", 200, number="+33699999999", sure="yes")
        assert (other.exists(), folder.exists()) == (False, True)
        assert operator.audit == [{"who": "loopback", "what": "forget", "number": "•••999", "calls": 1}]
        assert b"99999999" not in (calls / FILE).read_bytes()
        assert "</b>: <b>0</b>" in await operator.post("/forget", 200, number="' OR 1=1 --")


# ---- the child


async def test_a_child_that_dies_is_replaced(folder):
    workshop = Workshop()
    job = Job("json", str(folder))
    first = await workshop.ask(job)
    workshop._child.kill()
    await workshop._child.wait()
    assert await workshop.ask(job) == first
    await workshop.close()


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="this system has no niceness")
async def test_the_child_gives_way_to_calls_inside_the_servers_session(folder):
    workshop = Workshop()
    await workshop.ask(Job("json", str(folder)))
    child = workshop._child.pid
    assert os.getpriority(os.PRIO_PROCESS, child) == 19
    assert os.getsid(child) == os.getsid(0)
    await workshop.close()


async def test_a_job_that_was_given_up_is_nobody_elses_answer(folder):
    workshop = Workshop()
    job = Job("json", str(folder))
    await workshop.ask(job)
    asking = asyncio.create_task(workshop.ask(Job("page", str(folder))))
    await asyncio.sleep(0.01)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert json.loads(await workshop.ask(job))["call_id"] == "CA0c1d"
    await workshop.close()


async def test_what_cannot_be_done_is_said_without_paths(tmp_path):
    workshop = Workshop()
    (tmp_path / "20261121T081319.123-x").mkdir()
    with pytest.raises(WorkshopError) as refused:
        await workshop.ask(Job("page", str(tmp_path / "20261121T081319.123-x")))
    assert str(tmp_path) not in str(refused.value)
    await workshop.close()


def test_two_parties_are_as_the_page_was_given_them(folder):
    """What is written can be read again, to the letter."""
    assert read_dump(folder).steps == tuple(
        msgspec.structs.replace(step, line=found.line)
        for step, found in zip(two_parties().steps, read_dump(folder).steps, strict=True)
    )


async def test_the_pages_speak_french_to_who_reads_it(open_console, folder):
    async with open_console() as operator:
        french = {"Accept-Language": "fr-CH, fr;q=0.9, en;q=0.8"}
        assert "Appels passés" in (await operator.get("/", **french)).decode()
        page = (await operator.get(f"/calls/{folder.name}", **french)).decode()
        assert "Où les réponses ont attendu" in page
        assert '<html lang="fr">' in page
        assert "Response gap" not in page
        assert "Past calls" in (await operator.get("/", **{"Accept-Language": "de"})).decode()


def test_every_word_of_the_pages_is_there_in_french():
    from server.console.pages import TEMPLATES
    from server.console.words import FRENCH, NAMES, SCRIPT

    used = {*SCRIPT, *NAMES}
    for path in TEMPLATES.glob("*.j2"):
        used |= set(re.findall(r'_\("([^"]+)"\)', path.read_text()))
    assert used - FRENCH.keys() == set()
    assert len(used) > 120
