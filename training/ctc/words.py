"""A small language model of the training's own texts: which words there are, and which follow which.

Bigrams with absolute discounting (Ney, Essen and Kneser 1994), written as an ARPA file for the beam search that serves. For a menu or
digits it is all that can be said; for dictation, build one with KenLM from much more text.
"""

import itertools
import math
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from pipelines.nets.alphabet import plain

_DISCOUNT = 0.5
FILE = "words.arpa"


def write_arpa(texts: Iterable[str], file: Path) -> Path:
    """Write the bigrams of `texts`, spelled as the alphabet's `plain` spells them."""
    sentences = [["<s>", *plain(text).split(), "</s>"] for text in texts]
    unigrams = Counter(word for sentence in sentences for word in sentence[1:])
    bigrams = Counter(pair for sentence in sentences for pair in itertools.pairwise(sentence))
    before = Counter(first for sentence in sentences for first in sentence[:-1])
    kinds = Counter(first for first, _ in bigrams)
    total = sum(unigrams.values())
    rest = {first: _DISCOUNT * kinds[first] / count for first, count in before.items()}
    lines = ["\\data\\", f"ngram 1={len(unigrams) + 2}", f"ngram 2={len(bigrams)}", "", "\\1-grams:", "-99\t<unk>"]
    lines.append(f"-99\t<s>\t{_log(rest['<s>'])}")
    for word, count in sorted(unigrams.items()):
        back_off = "" if word == "</s>" else f"\t{_log(rest[word])}"
        lines.append(f"{_log(count / total)}\t{word}{back_off}")
    lines += ["", "\\2-grams:"]
    for (first, second), count in sorted(bigrams.items()):
        seen = (count - _DISCOUNT) / before[first] + rest[first] * unigrams[second] / total
        lines.append(f"{_log(seen)}\t{first} {second}")
    file.write_text("\n".join([*lines, "", "\\end\\", ""]), encoding="utf-8")
    return file


def _log(share: float) -> str:
    """Base 10, as ARPA has it."""
    return f"{math.log10(share):.6f}"
