"""The dump's format: what goes in comes out, and a dump that was cut anywhere is read up to the cut."""

from pathlib import Path
from typing import get_args

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.actions import AnyAction
from pipelines.errors import DumpError
from pipelines.events import AnyEvent
from pipelines.replay.dump import (
    EVENTS,
    META,
    TRANSCRIPT,
    Dump,
    Pages,
    encode_meta,
    encode_transcript,
    folder_name,
    read_dump,
)
from tests.helpers.replay import meta, small_steps


def write(folder: Path, steps, complete: bool = True) -> Path:
    """A dump as the recorder leaves it."""
    folder.mkdir(exist_ok=True)
    pages = Pages()
    for step in steps:
        pages.add(step.at, step.event, step.actions)
    (folder / META).write_bytes(encode_meta(meta()))
    for name, data in pages.files():
        (folder / name).write_bytes(data)
    if complete:
        turns = Dump(meta(), tuple(steps)).turns()
        (folder / TRANSCRIPT).write_bytes(encode_transcript(turns))
    return folder


def same(steps, others) -> bool:
    return [(s.at, s.event, s.actions) for s in steps] == [(s.at, s.event, s.actions) for s in others]


def test_what_is_written_is_read_back(tmp_path):
    dump = read_dump(write(tmp_path / "d", small_steps()))
    assert same(dump.steps, small_steps())
    assert dump.meta == meta()
    assert dump.complete
    assert [step.line for step in dump.steps] == [1, 4, 6, 9, 12, 13]


def test_transcript_is_rebuilt_from_the_events(tmp_path):
    folder = write(tmp_path / "d", small_steps())
    kept = msgspec.json.decode((folder / TRANSCRIPT).read_bytes())
    (folder / TRANSCRIPT).unlink()
    dump = read_dump(folder)
    assert not dump.complete
    assert msgspec.to_builtins(dump.turns()) == kept
    assert kept[0]["heard"] == "Good"
    assert kept[0]["parts"] == {"stt": 0.3, "playout": 0.4}


@pytest.mark.parametrize("kind", [*get_args(AnyEvent), *get_args(AnyAction)])
def test_no_field_is_hidden_by_the_call_time(kind):
    assert not {"t", "event", "action"} & set(kind.__struct_fields__)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_dump_cut_anywhere_is_a_prefix(tmp_path_factory, data):
    """Whatever was lost of whichever file: what is read is what was written up to there, and it is not called whole."""
    folder = write(tmp_path_factory.mktemp("cut") / "d", small_steps())
    name = data.draw(st.sampled_from([EVENTS, "inbound.raw", "outbound.raw", "synthesis.raw"]))
    whole = (folder / name).read_bytes()
    kept = data.draw(st.integers(0, len(whole) - 1))
    (folder / name).write_bytes(whole[:kept])
    (folder / TRANSCRIPT).unlink()
    dump = read_dump(folder)
    steps = small_steps()
    assert not dump.complete
    assert len(dump.steps) <= len(steps)
    assert same(dump.steps[:-1], steps[: max(0, len(dump.steps) - 1)])
    if dump.steps:
        last, full = dump.steps[-1], steps[len(dump.steps) - 1]
        assert last.event == full.event
        assert last.actions == full.actions[: len(last.actions)]


def test_a_transcript_does_not_make_a_torn_dump_whole(tmp_path):
    folder = write(tmp_path / "d", small_steps())
    (folder / "inbound.raw").write_bytes(b"")
    dump = read_dump(folder)
    assert not dump.complete
    assert len(dump.steps) == 1


def test_a_torn_last_line_is_no_whole_dump(tmp_path):
    folder = write(tmp_path / "d", small_steps())
    lines = (folder / EVENTS).read_bytes()
    (folder / EVENTS).write_bytes(lines + b'{"t":90000,"ev')
    dump = read_dump(folder)
    assert not dump.complete
    assert same(dump.steps, small_steps())


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        (META, b'{"format": 99}', "format 99"),
        (META, b"[1]", "not a call's"),
        (META, b"{", "not a call's"),
        (EVENTS, b'{"t":0,"action":"ClearMedia"}\n', "line 1"),
        (EVENTS, b'{"t":0,"event":"Nonsense"}\n', "line 1"),
        (EVENTS, b'{"event":"CallEnded","reason":"caller"}\n', "line 1"),
    ],
)
def test_what_is_no_dump_is_said_so(tmp_path, name, content, says):
    folder = write(tmp_path / "d", small_steps())
    (folder / name).write_bytes(content)
    with pytest.raises(DumpError, match=says):
        read_dump(folder)


def test_a_folder_without_meta_is_no_dump(tmp_path):
    with pytest.raises(DumpError, match=r"meta\.json"):
        read_dump(tmp_path)


def test_folder_name_is_safe_and_sorts_by_time():
    assert folder_name(meta("CA0c1d")) == "20261121T081319.123-CA0c1d"
    assert folder_name(meta("../../etc/passwd\n")) == "20261121T081319.123-.._.._etc_passwd_"
    assert folder_name(meta("")) == "20261121T081319.123-call"
