import pytest

from server.caller.words import misheard, plain


def test_plain_words() -> None:
    assert plain("No, it's 9 o’clock!", "en") == ["no", "it's", "nine", "o'clock"]
    assert plain("Je m'appelle Paul.", "fr") == ["je", "m'appelle", "paul"]


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [
        ("a b c", "a b c", 0),
        ("a b c", "a c", 1),
        ("a b c", "a x c d", 2),
        ("", "a", 1),
        ("a b", "", 2),
        ("a b", "b a", 2),
    ],
)
def test_misheard(said: str, heard: str, errors: int) -> None:
    assert misheard(said.split(), heard.split()) == errors
