"""How long a silence must last before the caller is taken to be done: a pure function of what he said."""

import re

from pipelines.turns.policy import CallSettings

# A turn that ends in one of these is going on: the caller is looking for the rest.
_UNFINISHED = {
    "en": {
        "a", "an", "and", "at", "because", "but", "for", "from", "i", "if", "in", "is", "it's", "like", "my", "of", "on", "or",
        "so", "that", "then", "the", "to", "um", "uh", "well", "with", "i'm", "your", "next",
        "about", "any", "could", "i'd", "i'll", "just", "need", "should", "some", "these", "very", "want", "would",
    },
    "fr": {
        "a", "alors", "au", "aux", "avec", "c'est", "ce", "dans", "de", "des", "donc", "du", "en", "est", "et", "euh", "je",
        "la", "le", "les", "mais", "mon", "ma", "ou", "par", "parce", "pour", "que", "qui", "si", "sur", "un", "une", "à",
        "ces", "cette", "dois", "j'ai", "j'aimerais", "leur", "mes", "notre", "peux", "plus", "pouvez", "quel", "quelle", "vais", "veux",
        "votre", "voudrais",
    },
}  # fmt: skip
# Whole answers that need no waiting.
_COMPLETE = {
    "en": {"yes", "no", "yeah", "yep", "nope", "ok", "okay", "sure", "thanks", "thank you", "goodbye", "bye", "yes please", "no thank you", "no thanks"},
    "fr": {"oui", "non", "d'accord", "ok", "merci", "au revoir", "oui merci", "non merci", "oui s'il vous plaît", "bien sûr"},
}  # fmt: skip
_DICTATED = re.compile(r"(?<!\d)(?:\d[\s.,-]*){3,9}$")  # part of a phone number, not a year or an hour
_NUMBERED = re.compile(r"\b(?:numbers?|num[ée]ros?|code)\b.*\d$")  # "my number is 06"
_CLAUSE = re.compile(
    r"\b(?:if|when|whether|that|because|so|quand|parce que|si|que) (?:i|you|he|she|we|they|it|je|tu|il|elle|nous|vous)$"
)
_WORD = re.compile(r"[\w'’-]+")


def silence_wanted(text: str, language: str, settings: CallSettings, p_end: float | None = None) -> int:
    """Microseconds of silence, counted from the caller's last word, after which he has finished.

    By the words: sure (a question, a known short answer) `endpoint_sure_us`; unsure (ends in a conjunction, a hesitation, or inside a
    dictated number) `endpoint_unsure_us`; otherwise `endpoint_us`. `p_end`, the probability that he has finished by the sound, below
    `p_end_unsure` makes any turn unsure; a high one makes none sure, since too many pauses sound finished
    (tests/load/endpointing.py: about half of those of English readers).
    """
    wanted = _by_words(text, language, settings)
    doubtful = p_end is not None and p_end < settings.p_end_unsure
    return settings.endpoint_unsure_us if doubtful else wanted


def _by_words(text: str, language: str, settings: CallSettings) -> int:
    stripped = text.strip().lower().replace("’", "'")
    words = _WORD.findall(stripped)
    if not words:
        return settings.endpoint_us
    bare = stripped.rstrip(" .!?")
    if stripped.endswith(("...", "…", ",", "-")) or words[-1] in _UNFINISHED.get(language, ()) or _CLAUSE.search(bare):
        return settings.endpoint_unsure_us
    if stripped.endswith("?") or " ".join(words) in _COMPLETE.get(language, ()):
        return settings.endpoint_sure_us
    if _DICTATED.search(bare) or _NUMBERED.search(bare):
        return settings.endpoint_unsure_us
    return settings.endpoint_us
