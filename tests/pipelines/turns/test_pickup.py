"""Who answered: by words in both languages, by lengths where there are none, and always in bounded time."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.turns.pickup import Answered, Heard, who_answered
from pipelines.turns.policy import CallSettings
from pipelines.units import SECOND

SETTINGS = CallSettings(outbound=True)


def spoken(words: str, seconds: float, pause: float, *, known: bool = True) -> Heard:
    """He spoke these words for so long, half a second after he picked up, and has been silent since."""
    speech, silence = int(seconds * SECOND), int(pause * SECOND)
    return Heard(SECOND // 2 + speech + silence, speech, speech, silence, words, known)


def who(heard: Heard) -> Answered | None:
    return who_answered(heard, SETTINGS)


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("Hello?", 0.5),
        ("Allô ?", 0.4),
        ("Oui bonjour.", 0.9),
        ("Dupont, j'écoute.", 1.2),
        ("Sarah speaking, how can I help you?", 2.4),
        ("", 0.6),
    ],
)
def test_somebody_who_says_hello_and_waits_is_a_person(words, seconds) -> None:
    assert who(spoken(words, seconds, 0.2)) is None
    assert who(spoken(words, seconds, 0.8)) is Answered.PERSON


@pytest.mark.parametrize(
    "words",
    [
        "Hi, this is Bob. Please leave a message after the tone.",
        "You've reached Bob, I can't come to the phone right now",
        "The person you are trying to reach is not available.",
        "Your call has been forwarded to voicemail.",
        "Nobody is available to take your call at the moment",
        "Bonjour, vous êtes bien sur le répondeur de Marie",
        "Votre correspondant n'est pas joignable pour le moment.",
        "Laissez-moi un message après le bip sonore",
        "Je ne suis pas disponible, laissez un message.",
        "Je ne peux pas vous répondre pour l’instant",
        "Bienvenue sur la messagerie vocale de",
    ],
)
def test_a_mailbox_is_told_by_its_words_while_it_speaks(words) -> None:
    assert who(spoken(words, 2.0, 0.0, known=False)) is Answered.MACHINE


@pytest.mark.parametrize(
    "words",
    [
        "For sales, press 1.",
        "Press one to accept this call, or two to reject it",
        "If you know your party's extension, you may dial it",
        "Please press the pound key",
        "Pour le service client, tapez 1.",
        "Pour joindre un conseiller, appuyez sur la touche étoile",
        "Faites le deux",
        "Pour le service client, tapé un",
        "Bienvenue pour le service client tapés 1, pour la facturation",
        "Composez le 3",
    ],
)
def test_a_menu_is_told_by_its_keys(words) -> None:
    assert who(spoken(words, 2.0, 0.0, known=False)) is Answered.IVR


@pytest.mark.parametrize(
    "words",
    [
        "Hello, who is this?",
        "Yes, speaking, I was about to press on with my work",
        "Oui allô, c'est qui ?",
        "Bonjour, la boulangerie du port, que puis-je pour vous ?",
        "The number one bakery, hello?",
        "Il est là, je vous le passe",
    ],
)
def test_people_are_not_taken_for_machines_by_their_words(words) -> None:
    assert who(spoken(words, 3.0, 1.5)) is Answered.PERSON


def test_a_mailbox_that_also_names_a_key_is_a_mailbox() -> None:
    assert who(spoken("Leave a message after the tone, or press 1 for more options", 4, 0)) is Answered.MACHINE


def test_a_pause_in_what_mailboxes_say_is_waited_out() -> None:
    assert who(spoken("You've reached Bob.", 1.2, 1.5)) is None
    assert who(spoken("Vous êtes bien chez Marie.", 1.2, 1.5)) is None
    assert who(spoken("You've reached Bob.", 1.2, 2.6)) is Answered.PERSON


def test_words_on_their_way_are_waited_for() -> None:
    assert who(spoken("", 1.0, 1.5, known=False)) is None
    assert who(spoken("", 1.0, 2.6, known=False)) is Answered.PERSON


def test_who_speaks_on_is_a_machine() -> None:
    assert who(spoken("", 4.0, 0)) is None
    assert who(spoken("", 4.6, 0)) is Answered.MACHINE
    assert who(spoken("Bakery of the port, how can I help you?", 4.6, 0)) is None


def test_a_beep_is_a_machine_whatever_else() -> None:
    assert who(msgspec.structs.replace(spoken("Hello?", 0.5, 0.8), beep=True)) is Answered.MACHINE


def test_silence_is_somebody_who_listens() -> None:
    assert who(Heard(2 * SECOND)) is None
    assert who(Heard(int(2.6 * SECOND))) is Answered.PERSON


_us = st.integers(0, 20 * SECOND)
_heard = st.builds(
    Heard,
    since=_us,
    speech=_us,
    run=_us,
    pause=_us,
    words=st.text(max_size=60) | st.sampled_from(["hello", "press 1", "leave a message", "tapez 1"]),
    known=st.booleans(),
    beep=st.booleans(),
)


@given(_heard)
def test_it_is_decided_in_bounded_time(heard) -> None:
    late = msgspec.structs.replace(heard, since=SETTINGS.answer_limit_us + heard.since)
    assert who(late) is not None


@given(_heard, st.integers(0, 5 * SECOND))
def test_more_silence_never_undoes_a_decision(heard, more) -> None:
    if who(heard) is not None and heard.pause:
        later = msgspec.structs.replace(heard, since=heard.since + more, pause=heard.pause + more)
        assert who(later) is not None
