"""How wrong a recogniser is: word and character error rates, and how sure one can be of them.

Texts are compared as the field compares them: without case and punctuation, and in English without spelling variants and with
numbers written out alike (the normalisers published with Whisper).
"""

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING

import msgspec
import numpy as np

if TYPE_CHECKING:
    import jiwer

_DRAWS = 2_000


class Errors(msgspec.Struct, frozen=True):
    """Substituted, missing and added words (or characters), of how many in the reference."""

    errors: int
    total: int

    def __add__(self, other: "Errors") -> "Errors":
        return Errors(self.errors + other.errors, self.total + other.total)

    def __str__(self) -> str:
        return f"{100 * self.errors / self.total:.1f}" if self.total else "-"


@cache
def _normalizer(language: str) -> Callable[[str], str]:
    if language == "en":
        from whisper_normalizer.english import EnglishTextNormalizer

        return EnglishTextNormalizer()
    from whisper_normalizer.basic import BasicTextNormalizer

    return BasicTextNormalizer()


def normalize(text: str, language: str) -> str:
    """`text` as it is compared: lower case, words with single spaces between. Accents stay. An apostrophe is a space in
    French ("l'eau" is two words)."""
    words = _normalizer(language)(text).split()
    return " ".join(word for word in words if any(map(str.isalnum, word)))  # the English one may leave a lone full stop


def word_errors(reference: str, hypothesis: str, language: str) -> Errors:
    """Word errors of `hypothesis`, both normalised."""
    import jiwer

    return _errors(jiwer.process_words, normalize(reference, language), normalize(hypothesis, language))


def character_errors(reference: str, hypothesis: str, language: str) -> Errors:
    """Character errors of `hypothesis`, both normalised; a space is a character."""
    import jiwer

    return _errors(jiwer.process_characters, normalize(reference, language), normalize(hypothesis, language))


def _errors(process: "Callable[[str, str], jiwer.WordOutput | jiwer.CharacterOutput]", said: str, heard: str) -> Errors:
    if not said:
        return Errors(len(heard.split()), 0)
    found = process(said, heard)
    return Errors(
        found.substitutions + found.deletions + found.insertions, found.hits + found.substitutions + found.deletions
    )


def rate(clips: Sequence[Errors]) -> float:
    """Errors of all clips by what they hold, 0 upwards; nan for nothing."""
    total = sum(clip.total for clip in clips)
    return sum(clip.errors for clip in clips) / total if total else float("nan")


def interval(
    clips: Sequence[Errors], other: Sequence[Errors] | None = None, *, draws: int = _DRAWS, seed: int = 0
) -> tuple[float, float]:
    """The bounds that hold the rate in 95 of 100 draws of as many clips (bootstrap, Bisani and Ney 2004); with `other`, a
    second system's errors on the same clips, those of the difference `rate(clips) - rate(other)`."""
    rows = np.array([(clip.errors, clip.total) for clip in clips], float).reshape(-1, 2)
    drawn = np.random.default_rng(seed).integers(0, len(rows), (draws, len(rows)))
    rates = _rates(rows, drawn)
    if other is not None:
        if len(other) != len(clips):
            raise ValueError(f"{len(clips)} clips cannot be compared with {len(other)}")
        rates = rates - _rates(np.array([(clip.errors, clip.total) for clip in other], float), drawn)
    low, high = np.nanpercentile(rates, (2.5, 97.5))
    return float(low), float(high)


def _rates(rows: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    sums = rows[drawn].sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return sums[:, 0] / sums[:, 1]
