"""The words of a trade, and how many of them a recogniser gets wrong.

A term is a word that is rare in general language: less than once in a million words (a Zipf frequency below 3, by
`wordfreq`), of five letters and more. That finds a vocabulary without a dictionary of it; who has one uses it instead.
"""

from collections.abc import Collection

from training.common.measures import Errors, normalize

ZIPF = 3.0
"""Terms are rarer than this: 3 is once in a million words."""

_SHORTEST = 5  # letters
_EXAM = frozenset(  # rare elsewhere, but no vocabulary of anyone's
    [
        "cochez",
        "indiquez",
        "inexacte",
        "inexactes",
        "inexact",
        "inexacts",
        "lesquelle",
        "sélectionnez",
        "retrouvez",
        "citez",
    ]
)


def terms_of(text: str, language: str = "fr") -> frozenset[str]:
    """The words of `text`, normalised, that are rare in general language."""
    return frozenset(word for word in normalize(text, language).split() if _is_term(word, language))


def _is_term(word: str, language: str) -> bool:
    if len(word) < _SHORTEST or not word.isalpha() or word in _EXAM:
        return False
    from wordfreq import zipf_frequency

    return zipf_frequency(word, language) < ZIPF


def term_errors(reference: str, hypothesis: str, terms: Collection[str], language: str = "fr") -> Errors:
    """How many of the occurrences of `terms` (normalised words) in `reference` are not heard in their place.

    Both texts are normalised and aligned word by word (`jiwer`); an occurrence that is aligned to anything but the same
    word is an error: a wrong ending counts, and so does a word torn in two. Words added elsewhere do not count."""
    import jiwer

    said, heard = normalize(reference, language), normalize(hypothesis, language)
    if not said:
        return Errors(0, 0)
    aligned = jiwer.process_words(said, heard)
    words = aligned.references[0]
    right = {
        place
        for chunk in aligned.alignments[0]
        if chunk.type == "equal"
        for place in range(chunk.ref_start_idx, chunk.ref_end_idx)
    }
    places = [place for place, word in enumerate(words) if word in terms]
    return Errors(sum(place not in right for place in places), len(places))
