"""A recording that holds a card number: cleaned once the call is over, or not kept at all."""

import stat
from collections import Counter
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.replay.driver import replay
from pipelines.replay.dump import Dump, read_dump
from pipelines.replay.sealed import Keys, is_sealed
from server.cli_dump import dump as app
from server.observe.recorder import Recorder
from server.observe.redaction import redact, redact_apart
from tests.pipelines.analysis.test_cards import CARD, call

WAIT_S = 60


def record(recorder: Recorder, dump: Dump):
    recording = recorder.open(dump.meta)
    for step in dump.steps:
        recording.write(step.at, step.event, step.actions)
    return recording.close()


@pytest.fixture(scope="module")
def told() -> Dump:
    return call(f"My card is {CARD}.")


@pytest.fixture
def folder(tmp_path: Path, told: Dump) -> Path:
    recorder = Recorder(tmp_path / "calls")
    folder = record(recorder, told).result(WAIT_S)
    recorder.close()
    (folder / "analysis.json").write_text(CARD)
    return folder


def texts(root: Path) -> str:
    return "".join(path.read_text() for path in root.rglob("*.json*"))


def test_a_recording_is_done_when_it_is_clean(tmp_path: Path, told: Dump):
    counts = Counter()
    recorder = Recorder(tmp_path / "calls", count=lambda what: counts.update([what]), redact=redact_apart)
    folder = record(recorder, told).result(WAIT_S)
    recorder.close()
    assert "4242" not in texts(tmp_path)
    dump = read_dump(folder)
    assert dump.meta.redacted == ("cards",)
    assert dump.complete
    assert replay(dump).same
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}
    assert counts == {"recorded": 1}


def test_a_sealed_recording_is_cleaned_and_stays_sealed(tmp_path: Path, told: Dump):
    keys = Keys([b"k" * 32])
    recorder = Recorder(tmp_path / "calls", redact=lambda folder: redact_apart(folder, keys), keys=keys)
    folder = record(recorder, told).result(WAIT_S)
    recorder.close()
    assert all(is_sealed(file.read_bytes()) for file in folder.iterdir())
    dump = read_dump(folder, keys)
    assert dump.meta.redacted == ("cards",)
    assert dump.complete


def test_what_cannot_be_cleaned_is_not_kept(tmp_path: Path, told: Dump):
    counts = Counter()
    recorder = Recorder(tmp_path / "calls", count=lambda what: counts.update([what]), redact=lambda folder: False)
    assert record(recorder, told).result(WAIT_S) is None
    recorder.close()
    assert list((tmp_path / "calls").iterdir()) == []
    assert counts == {"failed": 1}


def test_a_call_without_a_card_is_left_alone(tmp_path: Path):
    recorder = Recorder(tmp_path / "calls", redact=lambda folder: pytest.fail("nothing to take out"))
    folder = record(recorder, call("My number is 06 12 34 56 78.")).result(WAIT_S)
    recorder.close()
    assert "06 12 34 56 78" in texts(folder)


def test_an_old_recording_is_cleaned_with_all_that_was_made_of_it(folder: Path):
    result = CliRunner().invoke(app, ["redact", str(folder.parent)])
    assert result.exit_code == 0, result.output
    assert "redacted" in result.output
    assert "4242" not in texts(folder.parent)
    assert not (folder / "analysis.json").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]
    assert redact(folder) is False


def test_what_is_no_recording_is_said(tmp_path: Path):
    assert CliRunner().invoke(app, ["redact", str(tmp_path)]).exit_code == 2
    assert redact_apart(tmp_path) is False
