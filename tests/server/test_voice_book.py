"""Who is kept in the voice book, for which calls, and that nobody else can read it."""

import stat

import msgspec
import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.speakers.enrolment import Person, unit
from server.voice_book import BookError, KnownCallers, VoiceBook, open_book

ANNE, BOB = unit(np.array([1.0, 0.0, 0.1])), unit(np.array([0.0, 1.0, 0.1]))


def person(name: str, voice=ANNE, encoder="toy") -> Person:
    return Person(name=name, encoder=encoder, direction=tuple(voice.tolist()), calls=1, seconds=5.0)


@pytest.fixture
def book(tmp_path) -> VoiceBook:
    return VoiceBook(tmp_path / "kept" / "voices.json")


def names(people) -> list[str]:
    return [one.name for one in people]


def test_a_book_that_is_not_there_is_empty(book):
    assert book.entries() == ()
    assert book.candidates("+15550100", "toy") == []
    assert not book.path.exists()


def test_its_owner_alone_may_read_it(book):
    book.enrol(person("Anne"))
    assert stat.S_IMODE(book.path.stat().st_mode) == 0o600
    assert [path.name for path in book.path.parent.iterdir()] == ["voices.json"]


def test_another_call_makes_somebody_known_better(book):
    book.enrol(person("Anne"), ["+15550100"])
    entry = book.enrol(person("Anne", BOB), ["+15550101", "+1 (555) 0100"])
    assert (entry.person.calls, entry.person.seconds) == (2, 10.0)
    assert len(entry.numbers) == 2  # one of them was there
    assert [one.person.name for one in book.entries()] == ["Anne"]
    with pytest.raises(ModelError, match="enrol Anne again"):
        book.enrol(person("Anne", encoder="another"))


def test_somebody_with_a_number_is_looked_for_in_calls_from_there(book):
    book.enrol(person("Anne"), ["+1 555 0100"])
    book.enrol(person("Bob", BOB), ["+15550101"], plain=True)
    book.enrol(person("Cleo"))
    book.enrol(person("Dora", encoder="another"))
    assert names(book.candidates("+15550100", "toy")) == ["Anne", "Cleo"]
    assert names(book.candidates("sip:+15550101@host", "toy")) == ["Bob", "Cleo"]
    assert names(book.candidates("", "toy")) == ["Cleo"]


def test_numbers_are_hashed_unless_they_are_wanted_plain(book):
    book.enrol(person("Anne"), ["+15550100"])
    book.enrol(person("Bob"), ["+15550101"], plain=True)
    kept = book.path.read_text()
    assert "15550100" not in kept
    assert "15550101" in kept


def test_nothing_is_left_of_somebody_who_is_forgotten(book):
    book.enrol(person("Zoé"), ["+15550101"], plain=True)
    book.enrol(person("Bob", BOB))
    before = book.path.read_bytes()
    book.forget("Zoé")
    kept = book.path.read_bytes()
    for trace in ("Zoé".encode(), b"15550101", msgspec.json.encode(person("Zoé").direction)):
        assert trace in before
        assert trace not in kept
    assert names(book.candidates("", "toy")) == ["Bob"]
    with pytest.raises(BookError, match="nobody is called 'Zoé'"):
        book.forget("Zoé")


@pytest.mark.parametrize("content", [b"", b"{}", b'{"salt": "00", "people": [{"name": "x"}]}', b"\xff"])
def test_what_is_no_book_is_said_and_not_written_over(book, content):
    book.path.parent.mkdir()
    book.path.write_bytes(content)
    for use in (book.entries, lambda: book.enrol(person("Anne"))):
        with pytest.raises(BookError, match="no voice book"):
            use()
    assert book.path.read_bytes() == content


def test_a_call_is_told_who_is_known_and_of_nobody_else(book):
    book.enrol(person("Anne"))
    book.enrol(person("Bob", BOB))
    asked = KnownCallers(book, "toy", 0.8, "")
    found = asked.find(unit(ANNE + 0.1 * BOB))
    assert found.name == "Anne"
    assert found.score > 0.8
    assert asked.find(unit(ANNE + BOB)) is None
    book.forget("Anne")  # while the call goes on
    assert asked.find(ANNE) is None


def test_the_usual_place(monkeypatch, tmp_path):
    monkeypatch.setenv("ALLO_DATA", str(tmp_path))
    assert open_book(None).path == tmp_path / "voices.json"
