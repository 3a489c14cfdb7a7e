import pytest

from pipelines.turns.barge_in import Overlap, interrupts, opens, outcome

_LONG, _SECOND = 5_000_000, 1_000_000


@pytest.mark.parametrize(
    "text", ["Mm-hmm.", "Okay", "Oui, oui.", "D'accord.", "I see.", "Yeah yeah", "C'est très bien.", "Et voilà !"]
)
def test_what_keeps_the_other_talking(text: str) -> None:
    assert outcome(text, _LONG, 9, _SECOND) is Overlap.BACKCHANNEL
    assert not interrupts(text, 9, begun=True)


@pytest.mark.parametrize(
    "text", ["Wait", "No.", "Pardon, attendez", "Excuse me", "What about Friday?", "Et le samedi ?"]
)
def test_what_stops_the_other(text: str) -> None:
    assert outcome(text, _LONG, 2, _SECOND) is Overlap.INTERRUPTION
    assert interrupts(text, 3, begun=True)


def test_a_word_that_stops_need_not_be_heard_twice_others_must() -> None:
    assert interrupts("Wait", 0, begun=True)
    assert interrupts("Pardonne", 0, begun=True)
    assert not interrupts("I heard it", 2, begun=True)


def test_an_agent_that_has_said_nothing_yet_gives_way_sooner() -> None:
    assert interrupts("On Tuesday.", 2, begun=False)
    assert not interrupts("On Tuesday.", 1, begun=False)


def test_over_the_last_second_yes_is_an_answer() -> None:
    assert outcome("Yes.", 500_000, 0, _SECOND) is Overlap.INTERRUPTION
    assert outcome("", 500_000, 0, _SECOND) is Overlap.FALSE


def test_a_word_or_two_of_a_hum_are_none_nor_are_more_than_can_be_said() -> None:
    assert outcome("Bum hem.", _LONG, 1, _SECOND) is Overlap.BACKCHANNEL
    assert outcome("de mon avis.", _LONG, 1, 380_000) is Overlap.BACKCHANNEL
    assert outcome("de mon avis.", _LONG, 1, _SECOND) is Overlap.INTERRUPTION
    assert outcome("Friday morning.", _LONG, 2, _SECOND) is Overlap.INTERRUPTION
    assert outcome("No.", _LONG, 0, 200_000) is Overlap.INTERRUPTION


@pytest.mark.parametrize(
    "text",
    [
        *("X", "Ex", "SQ", "Escou.", "What", "Wait", "No.", "Are you?", "Est-ce", "Je voudrais", "Pardonne"),
        *("Bonjour", "Pouvez-vous", "Vous pouvez"),
    ],
)
def test_one_word_with_which_people_begin_to_interrupt_is_enough_to_hold_the_breath(text: str) -> None:
    assert opens(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Okay",
        "Oh",
        "I see",
        "Et voilà",
        "Et",
        "Je",
        "D'accord.",
        "Mama",
        "Bum hem",
        "My man",
        "Le monde",
        "Je m'en",
    ],
)
def test_neither_a_murmur_nor_what_is_made_of_a_hum_is(text: str) -> None:
    assert not opens(text)


def test_words_over_an_agent_that_has_said_none_go_on_with_the_callers_own() -> None:
    assert outcome("my revenge.", _LONG, 1, _SECOND, begun=False) is Overlap.INTERRUPTION
    assert outcome("Mm-hmm.", _LONG, 1, _SECOND, begun=False) is Overlap.BACKCHANNEL
    assert outcome("my revenge.", _LONG, 1, _SECOND, begun=True) is Overlap.BACKCHANNEL


def test_what_sounds_like_a_murmur_must_be_heard_as_the_same_words_twice() -> None:
    assert not interrupts("Wait.", 1, begun=True, doubted=True)
    assert interrupts("Wait, wait", 2, begun=True, doubted=True)
    assert interrupts("I would like", 3, begun=True)
    assert not interrupts("I would like", 3, begun=True, doubted=True)
    assert interrupts("I would like a", 4, begun=True, doubted=True)
    assert outcome("Wait.", 5_000_000, 1, 500_000, doubted=True) is Overlap.BACKCHANNEL
    assert outcome("Wait, please.", 5_000_000, 2, 900_000, doubted=True) is Overlap.INTERRUPTION
    assert outcome("Wait.", 5_000_000, 1, 500_000) is Overlap.INTERRUPTION
