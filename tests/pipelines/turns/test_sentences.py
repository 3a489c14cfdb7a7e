import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.turns.sentences import Chunker


def chunks(*deltas: str, language: str = "en") -> list[str]:
    chunker = Chunker(language)
    out = [chunk for delta in deltas for chunk in chunker.push(delta)]
    return [*out, *chunker.finish()]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Sure! We open at 9:30. Anything else?", ["Sure!", "We open at 9:30.", "Anything else?"]),
        ("en", "Dr. Smith and Mrs. J. Brown are in.", ["Dr. Smith and Mrs. J. Brown are in."]),
        ("en", "It is 3.5 km at $1,200.50. Fine?", ["It is 3.5 km at $1,200.50.", "Fine?"]),
        ("en", "We open at 9 a.m. on Monday. Bye.", ["We open at 9 a.m. on Monday.", "Bye."]),
        ("en", "We open at 9 a.m. Then we close.", ["We open at 9 a.m.", "Then we close."]),
        ("en", "No. I cannot. No. 5 is free.", ["No.", "I cannot.", "No. 5 is free."]),
        ("en", "See https://a.example/b.c?d=1, please.", ["See https://a.example/b.c?d=1, please."]),
        (
            "en",
            "Certainly, I have two slots for you, on Monday, or on Tuesday.",
            ["Certainly, I have two slots for you,", "on Monday, or on Tuesday."],
        ),
        ("fr", "Bien sûr ! Nous ouvrons à 8h30.", ["Bien sûr !", "Nous ouvrons à 8h30."]),
        ("fr", "M. Dupont et Mme Roux. Ça va ?", ["M. Dupont et Mme Roux.", "Ça va ?"]),
        ("fr", "Voici ce que j'ai : mardi, 3,5 km. Oui ?", ["Voici ce que j'ai :", "mardi, 3,5 km.", "Oui ?"]),
    ],
)
def test_ends_where_a_speaker_would_pause(language: str, text: str, expected: list[str]) -> None:
    assert chunks(text, language=language) == expected


def test_a_long_first_clause_is_cut_before_a_linking_word() -> None:
    text = "I can offer you an appointment on Tuesday morning with Doctor Smith at nine thirty."
    assert chunks(text)[0] == "I can offer you an appointment on Tuesday morning"


def test_only_the_first_two_chunks_are_cut_at_a_comma() -> None:
    text = "Yes of course. On Monday the practice is open, on Tuesday it is not, on Friday it is."
    assert chunks(text) == [
        "Yes of course.",
        "On Monday the practice is open,",
        "on Tuesday it is not, on Friday it is.",
    ]
    assert chunks("C'est noté, lundi, neuf heures.", language="fr") == ["C'est noté, lundi,", "neuf heures."]
    assert chunks("C'est réservé, lundi, neuf heures.", language="fr")[0] == "C'est réservé,"


def test_numbers_written_apart_stay_together() -> None:
    spoken = chunks("Vous pouvez nous appeler tous les jours au 06 12 34 56 78 et le soir aussi.", language="fr")
    assert any("06 12 34 56 78" in chunk for chunk in spoken)


def test_the_first_chunk_comes_before_the_sentence_is_written() -> None:
    chunker = Chunker("en")
    assert chunker.push("Let me have a look,") == []  # "1,200"?
    assert chunker.push(" and") == ["Let me have a look,"]


def test_what_is_no_speech_is_left_out() -> None:
    text = (
        "# Options\n**Here** are [the slots](https://x.example):\n- `Monday` 😀\n* _Tuesday_ ✅\n| a | b |\n|---|---|\n"
    )
    assert chunks(text) == ["Options", "Here are the slots:", "Monday", "Tuesday", "a b"]


def test_the_remains_of_a_tool_call_are_left_out() -> None:
    call = '<tool_call> {{"name": "book", "arguments": {"slot": "9:30"}}} </tool_call> It is booked.'
    assert chunks(call) == ["It is booked."]
    assert chunks("It {is} booked.") == ["It is booked."]


def test_marks_alone_are_no_chunk() -> None:
    assert chunks("... !? \n — \n") == []
    assert chunks("« Oui. » Merci.", language="fr") == ["« Oui.", "» Merci."]


_TEXTS = st.lists(
    st.sampled_from(["Dr. ", "and ", "word ", "No. ", "a.m. ", "😀", *'ab1 9.,:;?!\nM«»é-{}"*_[](']), max_size=200
).map("".join)


@given(text=_TEXTS, cuts=st.lists(st.integers(0, 300)), language=st.sampled_from(["en", "fr", "de"]))
def test_chunks_do_not_depend_on_the_deltas(text: str, cuts: list[int], language: str) -> None:
    edges = sorted({0, len(text), *(min(cut, len(text)) for cut in cuts)})
    deltas = [text[a:b] for a, b in pairwise(edges)]
    assert chunks(*deltas, language=language) == chunks(text, language=language)


@given(
    words=st.lists(st.from_regex(r"[a-zà-öø-ü0-9]{1,12}[.,:;!?]?", fullmatch=True), max_size=120),
    language=st.sampled_from(["en", "fr"]),
)
def test_nothing_is_lost_or_moved_and_chunks_are_short(words: list[str], language: str) -> None:
    spoken = chunks(" ".join(words), language=language)
    assert " ".join(spoken).split() == words
    assert all(len(chunk) <= 215 for chunk in spoken)
    assert all(re.search(r"\w", chunk) for chunk in spoken)


def test_a_text_without_spaces_is_bounded() -> None:
    assert [len(chunk) for chunk in chunks("x" * 450)] == [200, 200, 50]
