import numpy as np
import pytest

from pipelines.nets.sentiment_words import BUCKETS, LEXICAL, SIZE, denied, sentence, words

LEXICON = {"happy": 3.0, "problem": -2.0, "content": 3.0, "marche": 1.0, "problème": -2.0, "lent": -1.0}


def reached(text: str, language: str) -> set[str]:
    said = words(text)
    return {word for word, no in zip(said, denied(said, language), strict=True) if no}


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("I am not happy with you", "en", {"happy", "with", "you"}),
        ("I am not tired, I am happy", "en", {"tired"}),
        ("I don’t like it but it works", "en", {"like", "it"}),
        ("I can't complain", "en", {"complain"}),
        ("It isn't clear", "en", {"clear"}),
        ("never a problem", "en", {"a", "problem"}),
        ("I am happy", "en", set()),
        ("Je ne suis pas content", "fr", {"suis", "content"}),
        ("ça ne marche pas", "fr", {"marche"}),
        ("ça marche pas", "fr", {"marche"}),
        ("C’est pas clair", "fr", {"est", "clair"}),
        ("pas content du tout", "fr", {"content", "du", "tout"}),
        ("Non, je suis content", "fr", set()),
        ("C'est plus facile", "fr", set()),
        ("Je n'ai plus confiance", "fr", {"ai", "confiance"}),
        ("une personne aimable", "fr", set()),
        ("sans problème", "fr", {"problème"}),
    ],
)
def test_what_a_denial_reaches(text, language, expected):
    assert reached(text, language) == expected


def lexical(text: str, language: str = "en") -> dict[str, float]:
    return dict(zip(LEXICAL, sentence(text, language, LEXICON)[BUCKETS:].tolist(), strict=True))


def test_denied_joy_is_displeasure():
    assert lexical("I am happy")["leans_positive"] == 1
    assert lexical("I am not happy")["leans_negative"] == 1
    assert lexical("no problem")["leans_positive"] == 1
    assert lexical("je ne suis pas content", "fr")["leans_negative"] == 1


def test_feminine_and_plural_feel_as_their_word_does():
    assert lexical("les lentes", "fr")["negative"] == lexical("lent", "fr")["negative"] > 0


def test_no_words_no_feelings():
    assert lexical("Tuesday at ten")["feels_nothing"] == 1
    for text in ("", "…", "?!"):
        found = sentence(text, "en", LEXICON)
        assert found.shape == (SIZE,)
        assert np.isfinite(found).all()


def test_words_weigh_alike_in_short_and_long_sentences():
    for text in ("good", "a good day and a good night to you all, my friends"):
        assert np.linalg.norm(sentence(text, "en", {})[:BUCKETS]) == pytest.approx(1.0, abs=1e-5)
