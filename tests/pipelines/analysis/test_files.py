"""`analysis.json` beside a dump, and the process that writes it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.analysis.analyze import analyze
from pipelines.analysis.files import FILE, read_analysis, write_analysis
from pipelines.errors import DumpError
from pipelines.replay.dump import read_dump
from pipelines.replay.sealed import VARIABLE, Keys, is_sealed
from server.observe.redaction import write_dump
from tests.golden.behaviours import FOLDER

REPOSITORY = Path(__file__).parents[3]


def test_it_is_its_owners_and_whole(tmp_path):
    found = analyze(read_dump(FOLDER / "keys"))
    write_analysis(tmp_path, found)
    write_analysis(tmp_path, found)
    assert read_analysis(tmp_path) == found
    assert [path.name for path in tmp_path.iterdir()] == [FILE]
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [None, b"", b"{}", b"\xff"])
def test_what_is_no_analysis_is_said(tmp_path, content):
    if content is not None:
        (tmp_path / FILE).write_bytes(content)
    with pytest.raises(DumpError, match=FILE):
        read_analysis(tmp_path)


def run(folder) -> subprocess.CompletedProcess:
    command = (sys.executable, "-m", "pipelines.analysis", str(folder))
    return subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=120)


def test_the_process_writes_what_the_library_tells(tmp_path):
    shutil.copytree(FOLDER / "interruption", tmp_path / "call")
    assert run(tmp_path / "call").returncode == 0
    assert read_analysis(tmp_path / "call") == analyze(read_dump(FOLDER / "interruption"))


def test_a_dump_that_cannot_be_read_is_a_status_and_a_reason(tmp_path):
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert "meta.json" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_analysis_of_a_sealed_call_is_sealed_and_is_not_made_without_its_key(tmp_path, monkeypatch):
    keys = Keys([b"k" * 32])
    dump = read_dump(FOLDER / "interruption")
    write_dump(tmp_path / "call", dump, keys)
    refused = run(tmp_path / "call")
    assert refused.returncode == 1
    assert "meta.json: sealed with the key" in refused.stderr
    monkeypatch.setenv(VARIABLE, keys.text())
    assert run(tmp_path / "call").returncode == 0
    assert is_sealed((tmp_path / "call" / FILE).read_bytes())
    assert read_analysis(tmp_path / "call", keys) == analyze(dump)
