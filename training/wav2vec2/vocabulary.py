"""The letters a fine-tuned network writes: those of the texts it learns from, French accents included."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from transformers import PreTrainedTokenizerBase, Wav2Vec2CTCTokenizer

from pipelines.nets.alphabet import UnknownCharacter, plain
from training.common.errors import DataError

BLANK, UNKNOWN, SPACE = "<pad>", "<unk>", "|"
"""CTC's blank, number 0, is what transformers calls padding. Nothing is ever unknown: a letter that is not in the vocabulary is
refused before training."""


def letters(texts: Iterable[str]) -> str:
    """Every letter of `texts`, once, in order; the space apart. Raises DataError when there is none."""
    found = "".join(sorted(set("".join(map(plain, texts))) - {" "}))
    if not found:
        raise DataError("No text holds a letter: there is nothing to learn to write.")
    return found


def tokenizer(characters: str) -> Wav2Vec2CTCTokenizer:
    """Writes `characters` and spaces; blank is 0. Raises DataError for a character that stands for something else."""
    if SPACE in characters:
        raise DataError(f"The letter {SPACE!r} stands for the space in this vocabulary. Take it out of the texts.")
    numbers = {token: number for number, token in enumerate([BLANK, UNKNOWN, SPACE, *characters])}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "vocab.json")
        file.write_text(json.dumps(numbers, ensure_ascii=False), encoding="utf-8")
        return Wav2Vec2CTCTokenizer(
            str(file), pad_token=BLANK, unk_token=UNKNOWN, word_delimiter_token=SPACE, bos_token=None, eos_token=None
        )


def encode(text: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    """Numbers of the letters of `text` as a recogniser writes it (`plain`), in capitals if the vocabulary has no others. Raises
    UnknownCharacter, which names the first that it lacks."""
    known = tokenizer.get_vocab()
    spelled = plain(text)
    if "a" not in known and "A" in known:
        spelled = spelled.upper()
    numbers = []
    for letter in spelled.replace(" ", tokenizer.word_delimiter_token):
        if letter not in known:
            raise UnknownCharacter(letter)
        numbers.append(known[letter])
    return numbers
