"""The characters a network writes with. Number 0 is CTC's blank; character i of the alphabet is number i + 1."""

import unicodedata
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Self

from pipelines.errors import AlloError

BLANK = 0

ENGLISH = " 'abcdefghijklmnopqrstuvwxyz"
FRENCH = ENGLISH + "àâæçèéêëîïôùûüÿœ"
"""French, and so English as well."""

_SPOKEN = "'%&@#*/"  # punctuation by Unicode's book, but people say it
_APOSTROPHES = str.maketrans("’ʼ‘´`", "'''''")


class UnknownCharacter(AlloError):
    """A text has a character that the alphabet lacks."""

    def __init__(self, character: str) -> None:
        super().__init__(
            f"character {character!r} (U+{ord(character):04X}) is not in the alphabet: "
            "spell it out in the text, or add it to the alphabet."
        )
        self.character = character


def plain(text: str) -> str:
    """As a recogniser writes: lower case, composed accents, typewriter apostrophes, no punctuation (it becomes a space), single spaces.

    Digits and symbols stay, since only a person knows how they were read; an alphabet without them refuses them by name.
    """
    text = unicodedata.normalize("NFC", text).lower().translate(_APOSTROPHES)
    kept = (c if c in _SPOKEN or not unicodedata.category(c).startswith("P") else " " for c in text)
    return " ".join("".join(kept).split())


class Alphabet:
    """Characters and their numbers, 1 to len(characters). `size` counts the blank too: it is the network's output size."""

    def __init__(self, characters: str) -> None:
        """Raises ValueError when a character is there twice, or there is none."""
        twice = sorted({c for c in characters if characters.count(c) > 1})
        if twice or not characters:
            raise ValueError(
                f"an alphabet needs each character once; twice: {twice}" if twice else "an alphabet is empty"
            )
        self.characters = characters
        self.size = len(characters) + 1
        self._numbers = {character: i for i, character in enumerate(characters, BLANK + 1)}

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """The characters that occur in `texts`, in order."""
        return cls("".join(sorted(set().union(*texts))))

    def encode(self, text: str) -> list[int]:
        """Raises UnknownCharacter, which names the first one; see `plain` for what to do before."""
        try:
            return [self._numbers[character] for character in text]
        except KeyError as error:
            raise UnknownCharacter(error.args[0]) from None

    def decode(self, numbers: Iterable[int]) -> str:
        """Characters of `numbers`; blanks are left out. Repeats stay: `decoding.collapse` is what merges them."""
        return "".join(self.characters[number - 1] for number in numbers if number != BLANK)


class UnknownWord(UnknownCharacter):
    """A text has a word that is not among those the network writes."""

    def __init__(self, word: str) -> None:
        AlloError.__init__(self, f"word {word!r} is not among those that the network writes: add it to the alphabet.")
        self.character = word


class Words(Alphabet):
    """Whole words and their numbers, for a vocabulary of a few: what a word sounds like is learnt in one piece, however it is spelled
    (Soltau et al. 2016, "Neural Speech Recognizer: Acoustic-to-Word LSTM Model")."""

    def __init__(self, words: Sequence[str]) -> None:
        """Raises ValueError when a word is there twice, is empty or has a space, or there is none."""
        if not words or len(set(words)) < len(words) or any(len(word.split()) != 1 for word in words):
            raise ValueError("an alphabet of words needs each of them once, without spaces")
        self.words = tuple(words)
        self.characters = ""
        self.size = len(self.words) + 1
        self._numbers = {word: i for i, word in enumerate(self.words, BLANK + 1)}

    def encode(self, text: str) -> list[int]:
        """Raises UnknownWord, which names the first one."""
        try:
            return [self._numbers[word] for word in text.split()]
        except KeyError as error:
            raise UnknownWord(error.args[0]) from None

    def decode(self, numbers: Iterable[int]) -> str:
        """Words of `numbers`; blanks are left out."""
        return " ".join(self.words[number - 1] for number in numbers if number != BLANK)


def frames_needed(label: Sequence[int]) -> int:
    """Fewest output frames on which CTC can write `label`: one a character, and a blank between two of the same."""
    return len(label) + sum(a == b for a, b in pairwise(label))
