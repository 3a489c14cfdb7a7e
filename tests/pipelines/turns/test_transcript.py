"""Of speech that is heard once more with what followed, the words that are new."""

import pytest

from pipelines.turns.transcript import beyond


@pytest.mark.parametrize(
    ("known", "text", "new"),
    [
        ("", "On Tuesday.", "On Tuesday."),
        ("I need an appointment.", "I need an appointment on Tuesday.", "on Tuesday."),
        ("Then set the unit.", "Then said the eunuch, and my lady heard him.", "and my lady heard him."),
        ("and her", "And her brother and her home.", "brother and her home."),
        ("Two six.", "Two six.", ""),
        ("Two six.", "", ""),
        ("Hm.", "It is two six.", "is two six."),
    ],
)
def test_the_words_after_those_that_were_known(known, text, new):
    assert beyond(known, text) == new
