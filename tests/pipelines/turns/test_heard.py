import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.turns.heard import heard_text

DATA = Path(__file__).parents[2] / "data" / "voice" / "word_times.jsonl"
SENTENCES = [json.loads(line) for line in DATA.read_text().splitlines()]


def count(text: str) -> int:
    return sum(any(c.isalnum() for c in word) for word in text.split())


@pytest.mark.parametrize("language", ["en", "fr"])
def test_is_within_a_word_of_the_synthesizers_own_times(language: str) -> None:
    errors = []
    for sentence in (s for s in SENTENCES if s["language"] == language):
        for tenth in range(1, 10):
            played = tenth * sentence["total"] / 10
            truth = sum((start + end) / 2 <= played for _, start, end in sentence["words"])
            guess = heard_text(sentence["text"], int(played * 1e6), int(sentence["total"] * 1e6), language)
            errors.append(abs(count(guess) - truth))
    assert sum(errors) / len(errors) < 0.6
    assert sum(error <= 1 for error in errors) / len(errors) > 0.95


def test_a_word_counts_from_its_middle() -> None:
    assert heard_text("banana banana", 200, 1_000) == ""
    assert heard_text("banana banana", 300, 1_000) == "banana"
    assert heard_text("banana banana", 800, 1_000) == "banana banana"


def test_what_takes_longer_to_say_takes_longer_to_hear() -> None:
    assert heard_text("06 12 34 56 78 oui", 920, 1_000, "fr") == "06 12 34 56 78"
    assert heard_text("9:30 on Monday", 300, 1_000) == "9:30"


@given(
    text=st.text(st.sampled_from("abé9 .,?\n"), max_size=80),
    total=st.integers(0, 10_000_000),
    positions=st.tuples(st.integers(0, 10_000_000), st.integers(0, 10_000_000)),
    language=st.sampled_from(["en", "fr", "de"]),
)
def test_is_a_monotone_prefix_of_whole_words(text: str, total: int, positions: tuple[int, int], language: str) -> None:
    less, more = (heard_text(text, at, total, language) for at in sorted(positions))
    assert more.startswith(less)
    assert text.startswith(more)
    assert more == text or text[len(more) :][:1].isspace() or not more
    assert heard_text(text, total, total, language) == text
