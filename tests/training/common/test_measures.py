"""Error rates count what a reader would count, and their intervals hold what they promise."""

import math

import pytest

from training.common.measures import Errors, character_errors, interval, normalize, rate, word_errors


@pytest.mark.parametrize(
    ("reference", "hypothesis", "language", "errors", "total"),
    [
        ("The colour is grey.", "the color is gray", "en", 0, 4),
        ("a dog barks", "a barks loudly", "en", 2, 3),
        ("L'été, déjà !", "l'été déjà", "fr", 0, 3),
        ("l'ete", "l'été", "fr", 1, 2),
        ("oui", "", "fr", 1, 1),
        ("oui", "oui oui oui", "fr", 2, 1),
    ],
)
def test_word_errors(reference: str, hypothesis: str, language: str, errors: int, total: int) -> None:
    assert word_errors(reference, hypothesis, language) == Errors(errors, total)


def test_character_errors_count_accents_and_spaces() -> None:
    assert character_errors("deja vu", "déjà vu", "fr") == Errors(2, 7)
    assert character_errors("deja vu", "dejavu", "fr") == Errors(1, 7)


def test_words_heard_where_nothing_was_said_are_errors() -> None:
    assert word_errors("...", "thank you", "en") == Errors(2, 0)


def test_normalised_text_has_single_spaces_and_keeps_accents() -> None:
    assert normalize("  Où   est-elle ?", "fr") == "où est elle"


def test_the_rate_weighs_clips_by_their_words() -> None:
    assert rate([Errors(1, 1), Errors(0, 9)]) == 0.1
    assert math.isnan(rate([]))
    assert str(Errors(1, 8)) == "12.5"


def test_the_interval_holds_the_rate_and_narrows_with_more_clips() -> None:
    few = [Errors(i % 2, 5) for i in range(10)]
    low, high = interval(few)
    assert low < rate(few) < high
    more_low, more_high = interval(few * 30)
    assert more_high - more_low < (high - low) / 3
    assert interval(few) == (low, high)


def test_paired_differences_are_surer_than_two_intervals() -> None:
    hard = [Errors(i % 7, 10) for i in range(60)]
    easier = [Errors(max(0, clip.errors - 1), 10) for clip in hard]
    low, high = interval(hard, easier)
    assert 0 < low < rate(hard) - rate(easier) < high
    alone_low, alone_high = interval(hard)
    assert high - low < (alone_high - alone_low) / 2


def test_only_the_same_clips_can_be_compared() -> None:
    with pytest.raises(ValueError, match="cannot be compared"):
        interval([Errors(0, 1)], [Errors(0, 1)] * 2)
