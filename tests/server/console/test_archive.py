"""The index follows the folder: what is recorded comes in, what is removed goes, whoever removed it."""

import asyncio
import shutil
from concurrent.futures import Future
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from server.console import archive as archive_module
from server.console.archive import Archive, ArchiveError
from server.console.index import FILE
from server.console.search import Search
from tests.helpers.recorded import save

DAYS = [datetime(2026, 11, day, 8, 0, 0, tzinfo=UTC) for day in range(1, 6)]


@asynccontextmanager
async def opened(root, **options):
    archive = Archive(root, **options)
    try:
        async with asyncio.timeout(30):
            await archive.scanned.wait()
        yield archive
    finally:
        await archive.close()


async def names(archive, **search) -> list[str]:
    listing = await archive.ask(lambda index: index.search(Search(**search)))
    return [found.entry.name for found in listing.calls]


async def test_what_is_there_is_found_at_the_start(tmp_path):
    kept = [save(tmp_path, started=day, call_id=f"CA{n}") for n, day in enumerate(DAYS)]
    (tmp_path / "notes.txt").write_text("not a call")
    (tmp_path / "20261121T081319.123-broken").mkdir()
    async with opened(tmp_path) as archive:
        assert await names(archive) == [folder.name for folder in reversed(kept)]
        assert await names(archive, words="fitilly", agent="practice") == await names(archive)


async def test_more_calls_than_are_read_at_once(tmp_path):
    first = save(tmp_path)
    for n in range(60):
        shutil.copytree(first, tmp_path / f"20261101T0800{n:02d}.000-CA{n}")
    async with opened(tmp_path) as archive:
        assert (await archive.ask(lambda index: index.choices())).calls == 61


async def test_a_recording_that_closes_comes_in_and_one_that_is_discarded_does_not(tmp_path):
    async with opened(tmp_path) as archive:
        recorded, discarded = Future(), Future()
        archive.take("recorded", recorded)
        archive.take("discarded", discarded)
        discarded.set_result(None)
        folder = save(tmp_path)
        recorded.set_result(folder)
        async with asyncio.timeout(10):
            while not await names(archive):  # noqa: ASYNC110 - a thread puts it
                await asyncio.sleep(0.01)
        assert await names(archive) == [folder.name]


async def test_what_is_gone_disappears_and_a_call_under_way_does_not_appear(tmp_path):
    gone, kept = save(tmp_path, started=DAYS[0]), save(tmp_path, started=DAYS[1])
    under_way = save(tmp_path, started=DAYS[2])
    told = []
    async with opened(tmp_path, writing=lambda: {under_way.name}, gone=told.append) as archive:
        assert await names(archive) == [kept.name, gone.name]
        shutil.rmtree(gone)
        await archive._scan()
        assert (await names(archive), told) == ([kept.name], [gone.name])


async def test_a_call_that_begins_while_the_folder_is_looked_through_is_no_past_one(tmp_path, monkeypatch):
    begun = []
    look = archive_module._differences

    def slowly(index, root):
        begun.append(save(root, started=DAYS[0]).name)
        return look(index, root)

    monkeypatch.setattr(archive_module, "_differences", slowly)
    async with opened(tmp_path, writing=lambda: set(begun)) as archive:
        assert len(begun) == 1
        assert await names(archive) == []


async def test_the_next_start_reads_only_what_is_new(tmp_path, monkeypatch):
    old = save(tmp_path, started=DAYS[0])
    async with opened(tmp_path):
        pass
    read = []
    monkeypatch.setattr(
        "server.console.archive._read", lambda paths, keys: (read.extend(p.name for p in paths) or [], set())
    )
    new = save(tmp_path, started=DAYS[1])
    async with opened(tmp_path) as archive:
        assert read == [new.name]
        assert await names(archive) == [old.name]


async def test_forgetting_removes_folder_and_entry(tmp_path):
    folders = [save(tmp_path, started=day, caller=f"+33612340{n:02d}", called="+1999") for n, day in enumerate(DAYS)]
    told = []
    async with opened(tmp_path, gone=told.append) as archive:
        just_now = save(tmp_path, started=datetime(2026, 11, 9, tzinfo=UTC), caller="+33 6 12 34 001")
        found = await archive.of_number("+33612340 01")
        assert found == sorted([folders[1].name, just_now.name])
        assert await archive.forget([*found, "../elsewhere", "20261101T080000.000-not-there"]) == 2
        assert not folders[1].exists()
        assert not just_now.exists()
        assert folders[0].exists()
        assert len(await names(archive)) == 4
        assert set(found) <= set(told)


async def test_what_cannot_be_removed_is_said(tmp_path, monkeypatch):
    folder = save(tmp_path)
    async with opened(tmp_path) as archive:
        monkeypatch.setattr("server.console.archive.shutil.rmtree", lambda *_, **__: None)  # root may remove anything
        with pytest.raises(ArchiveError, match="1 of 1 calls could not be removed"):
            await archive.forget([folder.name])


async def test_an_index_that_cannot_be_had_is_an_error_and_no_crash(tmp_path):
    (tmp_path / FILE).mkdir()
    async with opened(tmp_path) as archive:
        with pytest.raises(ArchiveError):
            await names(archive)
