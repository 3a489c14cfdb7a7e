"""How many of a caller's words were misheard."""

import re
from collections.abc import Sequence

from num2words import num2words


def plain(text: str, language: str) -> list[str]:
    """Words in lower case without punctuation, figures spelled out."""
    text = re.sub(r"\d+", lambda n: f" {num2words(int(n[0]), lang=language)} ", text.lower().replace("’", "'"))
    return re.findall(r"[^\W_]+(?:'[^\W_]+)?", text)


def misheard(said: Sequence[str], heard: Sequence[str]) -> int:
    """Words put in, left out or changed: the edit distance (Levenshtein 1966)."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        diagonal, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (word != other))
    return row[-1]
