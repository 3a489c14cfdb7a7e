import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.nets.alphabet import ENGLISH, FRENCH, Alphabet, UnknownCharacter, Words, frames_needed, plain


@given(st.text(alphabet=FRENCH))
def test_what_is_encoded_can_be_read_again(text):
    numbers = Alphabet(FRENCH).encode(text)
    assert 0 not in numbers
    assert all(0 < n < Alphabet(FRENCH).size for n in numbers)
    assert Alphabet(FRENCH).decode(numbers) == text


def test_blanks_are_not_read():
    assert Alphabet("ab").decode([0, 1, 0, 0, 2, 2]) == "abb"


def test_a_character_outside_is_named():
    with pytest.raises(UnknownCharacter, match=r"'é' \(U\+00E9\)") as caught:
        Alphabet(ENGLISH).encode("le bébé né")
    assert caught.value.character == "é"


@pytest.mark.parametrize("characters", ["", "abca"])
def test_an_alphabet_has_each_character_once(characters):
    with pytest.raises(ValueError, match="alphabet"):
        Alphabet(characters)


def test_an_alphabet_can_be_read_off_texts():
    assert Alphabet.of(["one two", "été"]).characters == " enotwé"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("Hello, Dr. O’Neill!", "hello dr o'neill"),
        ("« L’été à Nîmes… » — dit-elle", "l'été à nîmes dit elle"),
        ("e\u0301te\u0301, ŒUVRE", "été œuvre"),
        ("  50 % of R&D ", "50 % of r&d"),
        ("...", ""),
    ],
)
def test_texts_are_written_plainly(text, written):
    assert plain(text) == written
    assert plain(written) == written


def test_repeats_need_a_blank_between_them():
    assert frames_needed([1, 2, 3]) == 3
    assert frames_needed([1, 1, 1, 2]) == 6
    assert frames_needed([]) == 0


def test_whole_words_are_written_and_read_in_one_piece():
    words = Words(["one", "two", "three"])
    assert words.size == 4
    assert words.encode("two one two") == [2, 1, 2]
    assert words.decode([0, 2, 0, 1]) == "two one"
    with pytest.raises(UnknownCharacter, match="'four' is not among those"):
        words.encode("one four")
    for wrong in ([], ["one", "one"], ["one two"], [""]):
        with pytest.raises(ValueError, match="each of them once"):
            Words(wrong)
