import pytest

from pipelines.turns.barge_in import Overlap, interrupts, outcome

_LONG = 5_000_000


@pytest.mark.parametrize(
    "text", ["Mm-hmm.", "Okay", "Oui, oui.", "D'accord.", "I see.", "Yeah yeah", "C'est très bien.", "Et voilà !"]
)
def test_what_keeps_the_other_talking(text: str) -> None:
    assert outcome(text, _LONG, 9) is Overlap.BACKCHANNEL
    assert not interrupts(text, 9, _LONG)


@pytest.mark.parametrize(
    "text", ["Wait", "No.", "Pardon, attendez", "Excuse me", "What about Friday?", "Et le samedi ?"]
)
def test_what_stops_the_other(text: str) -> None:
    assert outcome(text, _LONG, 2) is Overlap.INTERRUPTION
    assert interrupts(text, 2, _LONG)


def test_a_word_that_stops_need_not_be_heard_twice_others_must() -> None:
    assert interrupts("Wait", 0, _LONG)
    assert interrupts("Pardonne", 0, _LONG)
    assert not interrupts("I heard it", 1, _LONG)


def test_over_the_last_second_yes_is_an_answer() -> None:
    assert outcome("Yes.", 500_000, 0) is Overlap.INTERRUPTION
    assert outcome("", 500_000, 0) is Overlap.FALSE


def test_a_word_or_two_of_a_hum_are_none() -> None:
    assert outcome("Bum hem.", _LONG, 1) is Overlap.BACKCHANNEL
    assert outcome("Friday morning.", _LONG, 2) is Overlap.INTERRUPTION
    assert outcome("No.", _LONG, 0) is Overlap.INTERRUPTION
