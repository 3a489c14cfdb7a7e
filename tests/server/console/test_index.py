"""The index of recorded calls: found by everything they are searched by, forgotten to the last byte, made anew when it is broken."""

import sqlite3
import time
from datetime import date

import msgspec
import pytest

from server.console.index import FILE, Index
from server.console.numbers import Numbers
from server.console.search import PAGE, Search
from tests.helpers.recorded import entries

MANY = entries(1_000)


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    index = Index(tmp_path_factory.mktemp("calls"))
    index.put(MANY)
    yield index
    index.close()


@pytest.fixture
def index(tmp_path):
    index = Index(tmp_path)
    yield index
    index.close()


def test_the_youngest_come_first_by_pages(many):
    first, last = many.search(Search()), many.search(Search(page=20))
    assert (first.total, len(first.calls), len(last.calls)) == (1_000, PAGE, PAGE)
    assert [found.entry.name for found in first.calls] == [entry.name for entry in MANY[:-51:-1]]
    assert last.calls[-1].entry == msgspec.structs.replace(MANY[0], words="")
    assert many.search(Search(page=21)).calls == ()


@pytest.mark.parametrize(
    ("search", "fits"),
    [
        (Search(agent="clinic"), lambda e: e.agent == "clinic"),
        (Search(carrier="jambonz", outcome="lost"), lambda e: e.carrier == "jambonz" and e.outcome == "lost"),
        (Search(gap=2.5), lambda e: e.longest >= 2.5),
        (Search(since=date(2026, 11, 3), until=date(2026, 11, 4)), lambda e: e.name[6:8] in ("03", "04")),
        (Search(words="saturday OPENING"), lambda e: "opening hours on Saturday" in e.words),
        (Search(words="rendez"), lambda e: "rendez-vous" in e.words),
        (Search(words="reference 77"), lambda e: e.words.split()[-1].startswith("77")),
        (Search(agent="nobody"), lambda e: False),
    ],
)
def test_it_finds_what_fits_and_nothing_else(many, search, fits):
    expected = [entry.name for entry in MANY if fits(entry)]
    listing = many.search(search)
    assert listing.total == len(expected)
    assert [found.entry.name for found in listing.calls] == expected[::-1][:PAGE]


def test_accents_do_not_matter(index):
    index.put([msgspec.structs.replace(MANY[0], words="Où êtes-vous née ?")])
    assert index.search(Search(words="ou etes nee")).total == 1


def test_what_was_found_is_shown_in_its_words(many):
    said = many.search(Search(words="rendez-vous")).calls[0].said
    assert any(marked and "rendez" in text for text, marked in said)
    assert many.search(Search()).calls[0].said == ()


@pytest.mark.parametrize(
    "words",
    ["'; DROP TABLE calls; --", '" OR 1=1', "NEAR(", "said:*", "a AND", "\\", "%", "(", '"', "{x}", "^a", "x" * 200],
)
def test_no_words_are_obeyed(many, words):
    many.search(Search.read({"words": words, "agent": words, "outcome": words}))
    assert many.search(Search()).total == 1_000


def test_a_thousand_calls_list_at_once(many):
    """Measured as time of this thread: others compute too. 3 ms on a quiet machine."""
    many.search(Search())
    took = []
    for search in (Search(), Search(words="tuesday"), Search(agent="clinic", gap=1.0), Search(page=20)):
        began = time.thread_time()
        many.search(search)
        many.choices()
        took.append(time.thread_time() - began)
    assert max(took) < 0.2


def test_choices_are_what_there_is(many):
    choices = many.choices()
    assert choices.agents == ("clinic", "front desk", "hotel")
    assert choices.carriers == ("jambonz", "twilio")
    assert choices.calls == 1_000


def test_a_call_that_changed_is_put_again(index):
    index.put(MANY[:3])
    index.put([msgspec.structs.replace(MANY[1], outcome="failed", words="quite other things")])
    assert index.search(Search()).total == 3
    assert index.search(Search(words="quite other")).calls[0].entry.outcome == "failed"
    assert index.search(Search(words='"reference 1"')).total == 0


def test_words_that_were_taken_out_of_a_recording_leave_no_byte(index, tmp_path):
    index.put([msgspec.structs.replace(MANY[0], words="my card is 4111111111111111 marmalade")])
    index.put([msgspec.structs.replace(MANY[0], words="my card is")])
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"marmalade" not in left
    assert b"4111" not in left


def test_numbers_are_found_however_they_are_written(index):
    index.put(MANY[:200])
    assert len(index.of_number("+33 6 12 34 00 07")) == 2
    assert len(index.of_number("sip:+33123456789@host;x=1")) == 200
    for nobody in ("", "+", "-", "0007", "%", "anonymous"):
        assert index.of_number(nobody) == []


def test_a_number_is_looked_for_by_what_stands_for_it(index):
    numbers = Numbers()
    index.put(MANY[:200])

    def found(number, **more):
        return index.search(Search(number=numbers.handle(number), **more), numbers.handle).total

    assert found("+33 6 12 34 00 07") == found("0033612340007") == 2
    assert found("+33612340007", agent=MANY[7].agent) == 1
    assert found("sip:+33123456789@host;x=1") == 200
    assert found("+3361234000") == found("612340007") == 0
    assert index.search(Search(number=Numbers().handle("+33612340007")), numbers.handle).total == 0


def test_what_is_forgotten_leaves_no_byte(index, tmp_path):
    secret = msgspec.structs.replace(
        MANY[5], words="a zebra called marmalade", caller="+4915112345678", call_id="CAsecret"
    )
    index.put([*MANY[:5], secret])
    assert b"marmalade" in (tmp_path / FILE).read_bytes()
    index.drop([secret.name, "not there"])
    assert index.search(Search(words="zebra")).total == 0
    assert index.search(Search(words="reference")).total == 5
    left = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert not any(
        word in left for word in (b"zebra", b"marmalade", b"4915112345678", b"CAsecret", secret.name.encode())
    )


def test_it_is_there_the_next_time_and_for_its_owner_only(tmp_path):
    one = Index(tmp_path)
    one.put(MANY[:3])
    one.close()
    two = Index(tmp_path)
    assert two.stamps() == {entry.name: entry.stamp for entry in MANY[:3]}
    two.close()
    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", [b"no database at all, but long enough to be read as one" * 100, b""])
def test_a_broken_file_is_made_anew(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    index = Index(tmp_path)
    index.put(MANY[:1])
    assert index.search(Search()).total == 1
    index.close()


def test_an_index_of_another_version_is_made_anew(tmp_path):
    db = sqlite3.connect(tmp_path / FILE)
    db.execute("CREATE TABLE calls (other)")
    db.execute("PRAGMA user_version = 99")
    db.close()
    index = Index(tmp_path)
    assert index.search(Search()).total == 0
    index.close()


def test_half_a_surrogate_pair_is_kept_as_a_question_mark(index):
    index.put([msgspec.structs.replace(MANY[0], agent="\ud800", words="\udfff lone")])
    assert index.search(Search(words="lone")).calls[0].entry.agent == "?"
