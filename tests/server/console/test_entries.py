"""What the index keeps of a call, read from its folder."""

import pytest

from pipelines.errors import DumpError
from pipelines.replay.dump import EVENTS, META, TRANSCRIPT
from server.console.entries import folder_of, folders, read_entry
from tests.golden.behaviours import BEHAVIOURS, FOLDER
from tests.helpers.recorded import save
from tests.helpers.replay import two_parties


def test_an_entry_tells_the_call(tmp_path):
    folder = save(tmp_path)
    entry, dump = read_entry(folder), two_parties()
    gaps = [turn.gap for turn in dump.turns() if turn.gap is not None]
    assert entry.name == folder.name
    assert (entry.call_id, entry.agent, entry.caller, entry.outcome) == ("CA0c1d", "practice", "+15550001", "caller")
    assert entry.seconds == dump.duration_us / 1e6
    assert (entry.turns, entry.gap, entry.longest, entry.interruptions) == (6, pytest.approx(1.88), max(gaps), 1)
    assert entry.complete
    assert "My last name is Fitilly" in entry.words


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_every_golden_call_can_be_kept(name):
    entry = read_entry(FOLDER / name)
    assert entry.started > 0
    assert entry.complete == (FOLDER / name / TRANSCRIPT).exists()


def test_a_call_that_was_cut_off_is_told_by_its_lines(tmp_path):
    folder = save(tmp_path)
    (folder / TRANSCRIPT).unlink()
    lines = (folder / EVENTS).read_bytes().splitlines(keepends=True)
    (folder / EVENTS).write_bytes(b"".join(lines[: len(lines) * 3 // 4]) + b'{"t":99')
    entry = read_entry(folder)
    assert (entry.complete, entry.outcome) == (False, "")
    assert 10 < entry.seconds < 29
    assert 0 < entry.turns < 6


def test_a_last_line_of_a_megabyte_costs_the_end_only(tmp_path):
    folder = save(tmp_path)
    with (folder / EVENTS).open("ab") as file:
        file.write(b'{"t":29000000,"event":"ReplyDelta","reply":9,"text":"' + b"x" * 1_000_000 + b'"}\n')
    assert read_entry(folder).turns == 6


@pytest.mark.parametrize("broken", [META, TRANSCRIPT])
def test_what_is_no_call_is_said(tmp_path, broken):
    folder = save(tmp_path)
    (folder / broken).write_text('{"other": true}')
    with pytest.raises(DumpError):
        read_entry(folder)


@pytest.mark.parametrize(
    "name",
    [
        "..",
        ".",
        "",
        "/etc",
        "../x",
        "20261121T081319.123-",
        "index.sqlite",
        "20261121T081319.123-a/../..",
        "\x00",
        "a" * 5_000,
    ],
)
def test_no_name_leads_out_of_the_folder(tmp_path, name):
    (tmp_path / "calls").mkdir()
    assert folder_of(tmp_path / "calls", name) is None


def test_a_link_is_no_call(tmp_path):
    root = tmp_path / "calls"
    root.mkdir()
    folder = save(root)
    (root / "20261121T081319.123-link").symlink_to(tmp_path)
    assert folder_of(root, "20261121T081319.123-link") is None
    assert folders(root) == {folder.name: folder}
