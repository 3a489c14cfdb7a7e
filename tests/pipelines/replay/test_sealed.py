"""Sealed files: what goes in comes out, up to where the file ends, and nothing that was changed does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import ConfigError, DumpError
from pipelines.replay.dump import EVENTS, META, Pages, encode_meta, encode_transcript, read_dump
from pipelines.replay.sealed import PLAIN, VARIABLE, Keys, SealedError, is_sealed
from tests.helpers.replay import meta, small_steps

OLD, NEW = Keys([b"o" * 32]), Keys([b"n" * 32])
FILE = Path("events.jsonl")


def grown(keys: Keys, pieces, *, ended: bool = True) -> bytes:
    """A file that was written piece by piece."""
    seal = keys.seal(FILE.name)
    written = b"".join(seal.add(piece) for piece in pieces)
    return written + seal.add(b"", last=True) if ended else written


@given(st.lists(st.binary(max_size=300), max_size=6), st.booleans())
def test_what_is_sealed_in_pieces_is_opened_as_one(pieces, ended):
    data = grown(NEW, pieces, ended=ended)
    assert NEW.opened(data, FILE) == (b"".join(pieces), ended or not any(pieces))


@given(st.lists(st.binary(min_size=1, max_size=90), min_size=1, max_size=5), st.data())
def test_a_file_that_was_cut_is_read_up_to_the_cut_and_is_not_whole(pieces, data):
    sealed = grown(NEW, pieces)
    cut = data.draw(st.integers(40, len(sealed) - 1))
    plain, whole = NEW.opened(sealed[:cut], FILE)
    assert not whole
    assert plain in {b"".join(pieces[:n]) for n in range(len(pieces) + 1)}
    if cut >= len(grown(NEW, pieces, ended=False)):
        assert plain == b"".join(pieces)


@given(st.data())
def test_no_byte_can_be_changed_unnoticed(data):
    pieces = [b"My number is", b" 4111", b" 1111"]
    sealed = bytearray(grown(NEW, pieces))
    sealed[data.draw(st.integers(14, len(sealed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        plain, whole = NEW.opened(bytes(sealed), FILE)
    except DumpError:
        return
    assert not whole  # a length was made longer than the file: it then ends early, as if torn
    assert b"".join(pieces).startswith(plain)


def test_records_cannot_change_places_or_files_or_be_left_out():
    head = len(NEW.seal(FILE.name)._head)
    one, two = b"a" * 10, b"b" * 10
    sealed = grown(NEW, [one, two])
    first, second, rest = sealed[head : head + 30], sealed[head + 30 : head + 60], sealed[head + 60 :]
    for changed in (second + first + rest, second + rest, first + rest, first + second + rest + rest):
        with pytest.raises(DumpError):
            NEW.opened(sealed[:head] + changed, FILE)
    with pytest.raises(DumpError, match="record 0 does not open"):
        NEW.opened(sealed, Path("inbound.raw"))


def test_the_same_words_are_never_sealed_alike():
    assert NEW.sealed(b"yes", FILE.name) != NEW.sealed(b"yes", FILE.name)


def test_the_first_key_seals_and_each_opens():
    both = NEW + OLD
    assert both.opened(OLD.sealed(b"before", FILE.name), FILE) == (b"before", True)
    assert NEW.opened(both.sealed(b"after", FILE.name), FILE) == (b"after", True)
    assert both.has_sealed(NEW.sealed(b"", FILE.name))
    assert not both.has_sealed(OLD.sealed(b"", FILE.name))
    assert Keys.read(both.text()).text() == both.text()


def test_who_has_not_the_key_is_told_which():
    sealed = OLD.sealed(b"secret", FILE.name)
    for keys, others in ((PLAIN, ""), (NEW, f" ({repr(NEW)[5:-1]} given)")):
        with pytest.raises(SealedError) as caught:
            keys.opened(sealed, FILE)
        wanted = repr(OLD)[5:-1]
        assert str(caught.value) == (
            f"events.jsonl: sealed with the key {wanted}, which is not here{others}. Set recording.key or ALLO_RECORDING_KEY."
        )


def test_without_keys_nothing_is_sealed_and_plain_files_are_always_read():
    assert PLAIN.sealed(b"plain", FILE.name) == b"plain"
    assert NEW.opened(b"plain", FILE) == (b"plain", True)


def test_keys_are_read_from_text_and_shown_to_nobody():
    text = "ab" * 32
    assert repr(Keys.read(f"{text},\n{'cd' * 32}")).count(", ") == 1
    assert text not in repr(Keys.read(text))
    assert not Keys.read("")
    for wrong in ("ab", "zz" * 32, text + "00"):
        with pytest.raises(ConfigError, match="openssl rand -hex 32"):
            Keys.read(wrong)
    with pytest.raises(ConfigError, match=VARIABLE):
        Keys.of_environment({VARIABLE: "secret"})


def write(folder: Path, keys: Keys) -> Path:
    folder.mkdir()
    pages = Pages()
    for step in small_steps():
        pages.add(step.at, step.event, step.actions)
    for name, data in ((META, encode_meta(meta())), *pages.files(), ("transcript.json", encode_transcript([]))):
        (folder / name).write_bytes(keys.sealed(data, name))
    return folder


def test_a_dump_is_complete_only_with_the_end_of_each_file(tmp_path):
    folder = write(tmp_path / "call", NEW)
    assert read_dump(folder, NEW).complete
    sealed = (folder / "outbound.raw").read_bytes()
    assert is_sealed(sealed)
    seal = NEW.seal("outbound.raw")
    (folder / "outbound.raw").write_bytes(seal.add(NEW.opened(sealed, Path("outbound.raw"))[0]))
    dump = read_dump(folder, NEW)
    assert len(dump.steps) == len(small_steps())
    assert not dump.complete


def test_a_dump_whose_meta_was_changed_is_refused(tmp_path):
    folder = write(tmp_path / "call", NEW)
    data = bytearray((folder / META).read_bytes())
    data[-1] ^= 1
    (folder / META).write_bytes(data)
    with pytest.raises(DumpError, match=r"meta\.json: record 0 does not open: the file was changed, or is broken"):
        read_dump(folder, NEW)
    (folder / META).write_bytes(data[:60])
    with pytest.raises(DumpError, match=r"meta\.json: its end is missing"):
        read_dump(folder, NEW)
    assert FILE.name == EVENTS
