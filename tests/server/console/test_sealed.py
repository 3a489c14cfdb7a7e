"""Recordings that are sealed, through the console: as any other for who has the key, and nothing of them in plain on the disk."""

import asyncio
import io
import tempfile
from pathlib import Path

import pytest
import soundfile

from pipelines.replay.dump import read_dump
from pipelines.replay.sealed import Keys, SealedError, is_sealed
from server.console.index import FILE
from server.observe.redaction import write_dump
from tests.helpers.recorded import save
from tests.server.console.test_live import calling, media, until_over

KEYS = Keys([b"k" * 32])
CONFIG = {"key": "env:TEST_RECORDING_KEY"}


@pytest.fixture
def sealed(calls, monkeypatch, tmp_path):
    """The folder of a sealed call; what the console makes of it goes below `tmp_path` too."""
    monkeypatch.setenv("TEST_RECORDING_KEY", KEYS.text())
    (tmp_path / "made").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "made"))
    folder = save(calls)
    dump = read_dump(folder)
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
    write_dump(folder, dump, KEYS)
    return folder


def leaks(root: Path) -> list[str]:
    """Files below `root` in which a sentence of the call can be read, or its sound."""
    return [
        path.name
        for path in root.rglob("*")
        if path.is_file() and (b"Fitilly" in (data := path.read_bytes()) or data[:4] == b"RIFF")
    ]


async def test_everything_is_to_be_had_and_nothing_lies_about_in_plain(open_console, calls, sealed, tmp_path):
    (calls / FILE).write_bytes(b"Fitilly")  # an index from before there was a key
    async with open_console(recording={"enabled": True, "dir": str(calls), **CONFIG}) as operator:
        assert b"<mark>" in await operator.get("/?words=convertible")
        assert b"My last name is Fitilly" in await operator.get(f"/calls/{sealed.name}")
        sound = await operator.get(f"/calls/{sealed.name}/call.wav")
        samples, _ = soundfile.read(io.BytesIO(sound))
        assert len(samples) > 8_000
        for asked, first, end in (("1000-1999", 1_000, 2_000), ("-500", -500, None), ("0-", 0, None)):
            piece = await operator.get(f"/calls/{sealed.name}/call.wav", 206, Range=f"bytes={asked}")
            assert piece == sound[first:end]
        await operator.get(f"/calls/{sealed.name}/call.wav", 416, Range=f"bytes={len(sound)}-")
        replayed = await operator.post(f"/calls/{sealed.name}/replay", endpoint_us="300")
        async with asyncio.timeout(60):
            while b"As it was, and replayed" not in (page := await operator.get(replayed)):
                assert b"Stop" in page, page
                await asyncio.sleep(0.05)
        assert leaks(tmp_path) == []
        assert any(is_sealed(path.read_bytes()) for path in (tmp_path / "made").rglob("*.wav"))
        await operator.post(f"/calls/{sealed.name}/forget")
    assert not sealed.exists()


async def test_without_the_key_the_console_says_so_and_forgets_nothing_it_cannot_know(open_console, sealed):
    async with open_console() as operator:
        page = (await operator.get("/")).decode()
        assert "Sealed with a key that is not here: 1. Add the key to recording.key." in page
        assert sealed.name not in page
        page = (await operator.get(f"/calls/{sealed.name}", 503, Accept="text/html")).decode()
        assert "sealed with the key" in page
        assert "nobody can tell whose" in await operator.post("/forget", 503, number="+15551234")
    assert sealed.exists()
    with pytest.raises(SealedError):
        read_dump(sealed)


async def test_a_call_is_sealed_from_its_first_byte_on_and_found_when_it_is_over(open_console, calls, monkeypatch):
    monkeypatch.setenv("TEST_RECORDING_KEY", KEYS.text())
    async with open_console(recording={"enabled": True, "dir": str(calls), **CONFIG}) as operator:
        async with calling(operator) as (_, live, socket):
            await media(socket, 20)
            async with asyncio.timeout(10):
                while not (calls / live.dump / "inbound.raw").exists():  # noqa: ASYNC110 - the recorder's thread writes it
                    await asyncio.sleep(0.02)
            assert all(is_sealed(path.read_bytes()) for path in (calls / live.dump).iterdir())
            assert not (calls / FILE).exists()
            name = live.dump
        await until_over(operator)
        async with asyncio.timeout(10):
            while name not in (await operator.get("/")).decode():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        place = await operator.post("/search", whose="+33 612345678")
        assert name in (await operator.get(place)).decode()
    assert read_dump(calls / name, KEYS).complete
    assert {path.name for path in calls.iterdir()} == {name}
