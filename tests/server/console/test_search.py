"""A search is read from an address that may say anything, and is said in SQLite's language without its operators."""

from datetime import date

import pytest

from server.console.search import Search


def test_what_is_said_is_read():
    search = Search.read({"since": "2026-11-01", "until": "2026-11-02", "agent": "desk", "gap": "1,5", "page": "3"})
    assert search == Search(date(2026, 11, 1), date(2026, 11, 2), "desk", gap=1.5, page=3)
    assert search.ends() - search.begins() == 2 * 86_400


@pytest.mark.parametrize(
    "query",
    [
        {"since": "yesterday", "until": "2026-13-45", "gap": "nan", "page": "-1"},
        {"gap": "1e999", "page": "0", "since": "-0001-01-01"},
        {"gap": "inf", "page": "99999999999999999999", "until": "\x00"},
        {"page": "1e400", "gap": "-5"},
        {"page": "0.5"},
    ],
)
def test_what_makes_no_sense_counts_as_not_said(query):
    assert Search.read(query) == Search()


def test_texts_are_cut_and_lose_what_shows_nothing():
    search = Search.read({"agent": "a\x00b\x1b[2J" + "x" * 10_000, "words": "\ud800"})
    assert search.agent.startswith("a b [2Jx")
    assert len(search.agent) == 200
    search.words.encode()


def test_the_address_of_a_search_is_the_search():
    search = Search.read({"since": "2026-11-01", "words": "a b", "gap": "2", "page": "2"})
    assert Search.read(search.query()) == search
    assert Search.read(search.query(page=1)).page == 1
    assert search.narrowed
    assert not Search(page=4).narrowed


@pytest.mark.parametrize(
    ("words", "terms"),
    [
        ("rendez-vous", '"rendez-vous"*'),
        ("tuesday morn", '"tuesday" "morn"*'),
        ('a" OR "b', '"a""" "OR" """b"*'),
        ("NEAR(x) -y words:z *", '"NEAR(x)" "-y" "words:z"*'),
        ("*** ()", ""),
        ("", ""),
    ],
)
def test_no_word_is_an_operator(words, terms):
    assert Search(words=words).terms() == terms
