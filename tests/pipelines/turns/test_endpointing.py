import pytest

from pipelines.turns.endpointing import silence_wanted
from pipelines.turns.policy import CallSettings

SETTINGS = CallSettings(endpoint_sure_us=1, endpoint_us=2, endpoint_unsure_us=3)
_SURE, _PLAIN, _UNSURE = 1, 2, 3


@pytest.mark.parametrize(
    ("text", "language", "wanted"),
    [
        ("Are you open on Sunday?", "en", _SURE),
        ("Yes.", "en", _SURE),
        ("Oui, s'il vous plaît.", "fr", _SURE),
        ("I would like an appointment.", "en", _PLAIN),
        ("Je voudrais un rendez-vous.", "fr", _PLAIN),
        ("In two thousand and 26.", "en", _PLAIN),
        ("I would like...", "en", _UNSURE),
        ("Tomorrow morning and", "en", _UNSURE),
        ("Est-ce que je dois ?", "fr", _UNSURE),
        ("I just wanted to know if you.", "en", _UNSURE),
        ("Je voulais savoir si vous.", "fr", _UNSURE),
        ("It is 555 01", "en", _UNSURE),
        ("My number is 20.", "en", _UNSURE),
        ("Mon numéro, c'est le 06.", "fr", _UNSURE),
    ],
)
def test_the_words_choose_the_wait(text: str, language: str, wanted: int) -> None:
    assert silence_wanted(text, language, SETTINGS) == wanted


def test_the_sound_only_lengthens_it() -> None:
    assert silence_wanted("Yes.", "en", SETTINGS, 0.1) == _UNSURE
    assert silence_wanted("Tomorrow and", "en", SETTINGS, 0.99) == _UNSURE
