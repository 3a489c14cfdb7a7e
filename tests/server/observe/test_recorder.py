"""Recording: complete dumps, bounded cost, consent, and a call that never notices the disk."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
import structlog

from pipelines.events import DigitReceived, MediaReceived
from pipelines.replay.dump import EVENTS, TRANSCRIPT, folder_name, read_dump
from pipelines.replay.sealed import PLAIN, Keys, SealedError, is_sealed
from server.observe import recorder as recorder_module
from server.observe.recorder import Limits, Recorder
from server.observe.retention import Retention
from tests.helpers.replay import meta, small_steps

WAIT_S = 10
KEYS = Keys([bytes(range(32))])


@pytest.fixture
def counts():
    return Counter()


@pytest.fixture
def recorder(tmp_path, counts):
    recorder = Recorder(tmp_path / "calls", count=lambda what: counts.update([what]))
    yield recorder
    recorder.close()


def record(recording) -> None:
    for step in small_steps():
        recording.write(step.at, step.event, step.actions)


def test_a_recorded_call_reads_back(recorder, counts):
    recording = recorder.open(meta())
    record(recording)
    folder = recording.close().result(WAIT_S)
    dump = read_dump(folder)
    assert folder == recording.path
    assert dump.complete
    assert [step.event for step in dump.steps] == [step.event for step in small_steps()]
    assert msgspec.json.decode((folder / TRANSCRIPT).read_bytes()) == msgspec.to_builtins(dump.turns())
    assert counts == {"recorded": 1}


def test_only_the_owner_can_read(recorder):
    recording = recorder.open(meta())
    record(recording)
    folder = recording.close().result(WAIT_S)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_discard_leaves_nothing(recorder, counts):
    recording = recorder.open(meta())
    record(recording)
    wait_for(lambda: recording.path.exists())
    record(recording)
    assert recording.discard().result(WAIT_S) is None
    record(recording)
    assert not recording.path.exists()
    assert counts == {"discarded": 1}


def test_a_disk_that_fails_stops_recording_and_nothing_else(recorder, counts, monkeypatch):
    """Two calls on a full disk: one log line, two counts, and both calls write on as if nothing were."""

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder_module.os, "write", full)
    with structlog.testing.capture_logs() as logs:
        recordings = [recorder.open(meta("CA1")), recorder.open(meta("CA2"))]
        for recording in recordings:
            record(recording)
        wait_for(lambda: counts["failed"] == 2)
        for recording in recordings:
            record(recording)
        assert [recording.close().result(WAIT_S) for recording in recordings] == [None, None]
    assert [line["event"] for line in logs] == ["recording_failed"]
    assert counts == {"failed": 2}


def test_a_failed_recording_can_still_be_discarded(recorder, counts, monkeypatch):
    recording = recorder.open(meta())
    record(recording)
    wait_for(lambda: recording.path.exists())
    with monkeypatch.context() as patch:
        patch.setattr(recorder_module.os, "write", lambda *_: (_ for _ in ()).throw(OSError(5, "I/O error")))
        record(recording)
        wait_for(lambda: counts["failed"] == 1)
    recording.discard().result(WAIT_S)
    assert not recording.path.exists()


def test_a_step_that_cannot_be_written_stops_the_recording_only(recorder, counts):
    recording = recorder.open(meta())
    record(recording)
    recording.write(90_000, DigitReceived("\ud83d"), ())
    record(recording)
    assert recording.close().result(WAIT_S) is None
    assert counts == {"failed": 1}
    assert len(read_dump(recording.path).steps) == len(small_steps())


def test_a_folder_removed_under_a_call_is_not_begun_again(recorder, counts):
    recording = recorder.open(meta())
    record(recording)
    wait_for(lambda: (recording.path / EVENTS).exists())
    shutil.rmtree(recording.path)
    record(recording)
    assert recording.close().result(WAIT_S) is None
    assert not recording.path.exists()
    assert counts == {"failed": 1}


def test_two_calls_of_one_name_do_not_mix(recorder, counts):
    recordings = [recorder.open(meta()) for _ in range(2)]
    for recording in recordings:
        record(recording)
    kept = [recording.close().result(WAIT_S) for recording in recordings]
    assert kept == [recordings[0].path, None]
    assert len(read_dump(recordings[0].path).steps) == len(small_steps())


def test_a_slow_disk_costs_the_recording_a_bounded_memory(tmp_path, counts, monkeypatch):
    """While the disk hangs, a call holds at most `pending_bytes` and one step; what was on disk stays readable."""
    recorder = Recorder(tmp_path, Limits(pending_bytes=10_000), count=lambda what: counts.update([what]))
    recording = recorder.open(meta())
    record(recording)
    wait_for(lambda: (recording.path / "events.jsonl").exists())
    hang = recorder_module.threading.Event()
    append = recorder._append
    monkeypatch.setattr(recorder, "_append", lambda *args, **how: hang.wait(WAIT_S) and append(*args, **how))
    for number in range(1_000):
        recording.write(100_000 + number, MediaReceived(b"\x00" * 160), ())
        assert len(recording._pages) <= 10_000 + 400
    hang.set()
    assert recording.close().result(WAIT_S) is None
    recorder.close()
    assert counts == {"overrun": 1}
    dump = read_dump(recording.path)
    assert not dump.complete
    assert [step.event for step in dump.steps[:6]] == [step.event for step in small_steps()]


def test_a_sealed_recording_tells_nobody_anything_without_its_key(tmp_path):
    """Nor while it is written: what the call said is in none of its files."""
    recorder = Recorder(tmp_path, keys=KEYS)
    recording = recorder.open(meta())
    record(recording)
    wait_for(lambda: (recording.path / EVENTS).exists())
    record(recording)
    folder = recording.close().result(WAIT_S)
    recorder.close()
    assert all(is_sealed(path.read_bytes()) for path in folder.iterdir())
    told = meta()
    for what in ("Good morning", told.caller, told.call_id):  # long enough not to stand in a cipher by chance
        assert not any(what.encode() in path.read_bytes() for path in folder.iterdir())
    dump = read_dump(folder, KEYS)
    assert dump.complete
    assert [step.event for step in dump.steps] == [step.event for step in small_steps() * 2]
    with pytest.raises(SealedError, match=r"meta\.json: sealed with the key [0-9a-f]{8}, which is not here"):
        read_dump(folder)


@pytest.mark.parametrize("keys", [PLAIN, KEYS])
def test_a_killed_process_loses_at_most_a_second(tmp_path, keys):
    """kill -9 in the middle of a call: the dump reads, and ends less than a second before the kill."""
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        from pipelines.events import MediaReceived
        from pipelines.replay.sealed import Keys
        from server.observe.recorder import Recorder
        from tests.helpers.replay import meta, small_steps
        recording = Recorder(Path(sys.argv[1]), keys=Keys.read(sys.argv[2])).open(meta())
        for step in small_steps()[:-1]:
            recording.write(step.at, step.event, step.actions)
        origin = time.monotonic()
        while True:
            at = int((time.monotonic() - origin) * 1e6)
            recording.write(80_000 + at, MediaReceived(b"\\x00" * 160), ())
            print(at, flush=True)
            time.sleep(0.02)  # the pace of a call: what is lost by a kill is measured in its seconds
    """)
    root = Path(__file__).parents[3]
    command = [sys.executable, "-c", script, tmp_path, keys.text()]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, cwd=root, text=True)
    last = 0
    for line in process.stdout:
        last = int(line)
        if last > 1_500_000:
            break
    process.send_signal(signal.SIGKILL)
    process.wait(WAIT_S)
    process.stdout.close()
    (folder,) = tmp_path.iterdir()
    dump = read_dump(folder, keys)
    assert not dump.complete
    assert last - (dump.duration_us - 80_000) < 1_000_000
    assert len(dump.turns()) == 1


def test_stopping_the_recorder_keeps_what_open_calls_had(tmp_path):
    recorder = Recorder(tmp_path)
    recording = recorder.open(meta())
    record(recording)
    recorder.close()
    assert recording.close().result(WAIT_S) is None
    assert len(read_dump(recording.path).steps) == len(small_steps())


def test_limits_remove_the_oldest_and_never_an_open_call(tmp_path):
    names = [f"2026112{day}T000000.000-CA{day}" for day in range(5)]
    for name in names:
        (tmp_path / name).mkdir()
        (tmp_path / name / "inbound.raw").write_bytes(b"\x00" * 1_000)
    (tmp_path / "notes").mkdir()
    (tmp_path / "20261120T000000.000-link").symlink_to(tmp_path / "notes")
    retention = Retention(tmp_path, max_age_s=0, max_bytes=3_500)
    now = datetime(2026, 11, 25, tzinfo=UTC)
    assert retention.prune(now, [tmp_path / names[0]]) == 2
    assert sorted(os.listdir(tmp_path)) == [names[0], "20261120T000000.000-link", names[3], names[4], "notes"]
    assert retention.prune(now, []) == 0
    assert Retention(tmp_path, max_age_s=2.5 * 86_400, max_bytes=0).prune(now, []) == 1
    assert not (tmp_path / names[0]).exists()


def test_limits_are_kept_while_calls_come_in(tmp_path, counts):
    old = tmp_path / "20200101T000000.000-CA1"
    old.mkdir()
    recorder = Recorder(tmp_path, count=lambda what: counts.update([what]))
    wait_for(lambda: not old.exists())
    recorder.close()
    assert counts == {"removed": 1}


def test_the_folder_is_known_before_it_exists(recorder):
    assert recorder.open(meta("CA9")).path == recorder.root / folder_name(meta("CA9"))


def wait_for(condition) -> None:
    """The recorder writes on a thread of its own, which tells nobody: asked for again until it is so, or fails."""
    limit = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


async def test_who_waits_for_a_recording_and_is_cancelled_does_not_stop_the_others(recorder):
    import asyncio

    first, second = recorder.open(meta("CA1")), recorder.open(meta("CA2"))
    for recording in (first, second):
        for step in small_steps():
            recording.write(step.at, step.event, step.actions)
    waiting = asyncio.ensure_future(asyncio.wrap_future(first._done))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    assert first.close().result(WAIT_S) == first.path
    assert second.close().result(WAIT_S) == second.path
