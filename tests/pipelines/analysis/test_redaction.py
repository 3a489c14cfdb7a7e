"""Numbers and names in transcripts, in both languages; what is neither stays."""

import pytest

from pipelines.actions import Turn
from pipelines.analysis.redaction import names_given, numbers, redactor
from pipelines.events import ToolStarted
from pipelines.replay.dump import Dump, Step
from tests.helpers.replay import meta


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("4242 4242 4242 4242", "4242424242424242"),
        ("It is four two four two, four two.", "424242"),
        ("forty-two forty-two forty-two", "424242"),
        ("oh seven nine double four", "07944"),
        ("C'est le 06 12 34 56 78.", "0612345678"),
        ("zéro six, douze, trente-quatre", "061234"),
        ("quatre-vingt-dix-sept, soixante et onze, un", "97711"),
        ("quarante deux euh quarante deux, zéro", "42420"),
        ("double oh seven one", "0071"),
        ("+33 6-12.34", "3361234"),
    ],
)
def test_a_number_is_read_as_it_is_said(text: str, digits: str):
    assert [run.digits for run in numbers(text)] == [digits]


@pytest.mark.parametrize(
    "text",
    [
        "We are open from 9 AM to 5 PM, Monday to Friday.",
        "Nine thirty would be good.",
        "Je voudrais un rendez-vous à quatorze heures.",
        "One of us has two dogs and one cat.",
        "Le cabinet ouvre à 9 heures 30.",
        "From 10:45 to 11:15, or ten forty-five.",
    ],
)
def test_hours_and_articles_are_no_numbers(text: str):
    assert numbers(text) == []
    assert redactor()(text) == text


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("My name is Alice Martin.", "My name is [name]."),
        ("This is Anna Smith, my number is 555 0100.", "This is [name], my number is [number]."),
        ("Je m'appelle Claire Dubois.", "Je m'appelle [name]."),
        ("À quatorze heures, au nom de Marc Petit.", "À quatorze heures, au nom de [name]."),
        ("Bonjour madame Lefèvre, ça va ?", "Bonjour madame [name], ça va ?"),
        ("I am happy. This is The one.", "I am happy. This is The one."),
    ],
)
def test_names_after_the_words_that_announce_them(text: str, redacted: str):
    assert redactor()(text) == redacted


def test_a_name_that_a_tool_was_given_is_found_wherever_it_stands():
    booked = ToolStarted(1, "book_slot", '{"patient_name": "Zoé Girard", "day": "Tuesday"}')
    dump = Dump(meta(), (Step(0, booked, ()), Step(1, ToolStarted(1, "x", "not json"), ())))
    redact = redactor(names_given(dump))
    assert redact("C'est noté pour zoé girard, mardi. Tuesday.") == "C'est noté pour [name], mardi. Tuesday."


def test_what_is_redacted_is_redacted_once_and_for_all():
    redact = redactor({"Anna"})
    once = redact("This is Anna, 12 34 56.")
    assert redact(once) == once
    assert Turn("caller", once, once, 0, 1).text == "This is [name], [number]."
