"""A sentence as numbers that a weighted sum can judge: which words, in what company, denied or not. Numpy alone.

Words, their first letters (so that "déçue" counts as "déçu" does) and pairs of words fall into 2^14 buckets by a hash; beside them stand
a few sums from a lexicon of words and how they feel. **Denial** is English and French: in "I am not happy" and "je ne suis pas content"
the words behind *not* and *pas* are other words (`not_happy`), and what the lexicon says of them counts as the opposite; so does the verb
before *pas* ("ça ne marche pas"). A comma, *but*, *mais* end it.
"""

import re
import unicodedata
import zlib
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

BUCKETS = 1 << 14
LEXICAL = (
    *("positive", "negative", "denied_positive", "denied_negative"),  # sums
    *("leans_positive", "leans_negative", "feels_nothing"),  # which way they lean, denial turned round
    *("denials", "question", "exclamation", "length"),
)
SIZE = BUCKETS + len(LEXICAL)
"""Numbers of a sentence."""

_WORDS = re.compile(r"[^\W_]+'?|[?!.,;:…]")
_NEGATORS = {
    "en": {"not", "no", "never", "nothing", "nobody", "none", "without", "neither", "nor", "hardly", "cannot"},
    "fr": {"pas", "jamais", "rien", "aucun", "aucune", "sans", "personne", "ni", "plus", "guère"},
}
_ENDS = {*"?!.,;:…", "but", "mais", "because", "parce", "car", "however", "cependant", "pourtant", "and", "et"}
_NE = {"ne", "n'"}
_REACH = 4  # words behind a denial
_STEM = 5  # letters
_TURNED = 0.74  # what is left of a feeling that is denied, on the other side (VADER's figure)
_GREETING = re.compile(r"\bgood (morning|afternoon|evening|night)\b")  # nothing is said to be good
_AS_TWO = re.compile(r"\b(can|could|do|does|did|is|was|are|were|would|should|has|have|had|wo|need)n't\b")


def words(text: str) -> list[str]:
    """Lower case; an elision is a word of its own ("n'", "est"), "don't" is "do", "not"; marks that end a clause stay."""
    plain = (
        unicodedata.normalize("NFC", text)
        .lower()
        .replace("’", "'")
        .replace("can't", "can not")
        .replace("cannot", "can not")
    )
    return _WORDS.findall(_GREETING.sub(r"good\1", _AS_TWO.sub(r"\1 not", plain)))


def denied(said: list[str], language: str) -> list[bool]:
    """Which of `said` a denial reaches. *plus*, *personne*, *rien* deny in French only beside *ne*; an opening "No," answers a question."""
    negators = _NEGATORS["fr" if language == "fr" else "en"]
    found = [False] * len(said)
    left = 0
    for i, word in enumerate(said):
        if word in _ENDS:
            left = 0
            continue
        found[i] = left > 0
        left -= left > 0
        if word not in negators:
            continue
        if language == "fr":
            near = [k for k in range(max(0, i - 4), i) if said[k] in _NE]
            if word in ("plus", "personne") and not near:
                continue
            if near:
                found[near[-1] + 1 : i] = [True] * (i - near[-1] - 1)
            elif word == "pas" and i:
                found[i - 1] = said[i - 1] not in _ENDS  # "ça marche pas"
        left = _REACH
    return found


def sentence(text: str, language: str, lexicon: Mapping[str, float]) -> NDArray[np.float32]:
    """`text` as float32 (SIZE,): buckets of length 1 together, then LEXICAL. `lexicon`: words of the language, -4 to 4."""
    said = words(text)
    no = denied(said, language)
    out = np.zeros(SIZE, np.float32)
    marked = [("not_" + word if denied_ else word) for word, denied_ in zip(said, no, strict=True)]
    for word, plain in zip(marked, said, strict=True):
        out[_bucket(word)] += 1
        if len(plain) > _STEM:
            out[_bucket(word[: len(word) - len(plain) + _STEM] + "*")] += 1
    for pair in zip(["^", *said], [*said, "$"], strict=True):
        out[_bucket(" ".join(pair))] += 1
    norm = np.linalg.norm(out)
    if norm:
        out /= norm
    felt = np.array([_felt(word, lexicon) for word in said] or [0.0])
    flags = np.array(no or [False])
    sums = [
        felt[(felt > 0) & ~flags].sum(),
        -felt[(felt < 0) & ~flags].sum(),
        felt[(felt > 0) & flags].sum(),
        -felt[(felt < 0) & flags].sum(),
    ]
    sums[0] += _TURNED * sums[3]
    sums[1] += _TURNED * sums[2]
    lean = sums[0] - sums[1]
    out[BUCKETS:] = [
        *(np.log1p(value) for value in sums),
        lean > 0.5,
        lean < -0.5,
        not any(sums),
        min(sum(no), 8) / 8,
        "?" in said,
        "!" in said,
        np.log1p(len(said)) / 4,
    ]
    return out


def _felt(word: str, lexicon: Mapping[str, float]) -> float:
    """As the lexicon says, of the word or of what it is the feminine or the plural of."""
    for cut in (0, 1, 2):
        if cut == 0 or word.endswith(("", "e", "es")[cut]) or (cut == 1 and word.endswith("s")):
            value = lexicon.get(word[: len(word) - cut])
            if value is not None:
                return value
    return 0.0


def _bucket(feature: str) -> int:
    return zlib.crc32(feature.encode()) % BUCKETS
