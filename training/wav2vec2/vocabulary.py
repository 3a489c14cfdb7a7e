"""The letters a fine-tuned network writes: those of the texts it learns from, French accents included."""

import json
import tempfile
from collections.abc import Iterable
from pathlib import Path

from transformers import Wav2Vec2CTCTokenizer

from pipelines.nets.alphabet import plain
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
    """Writes `characters` and spaces; blank is 0."""
    numbers = {token: number for number, token in enumerate([BLANK, UNKNOWN, SPACE, *characters])}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "vocab.json")
        file.write_text(json.dumps(numbers, ensure_ascii=False), encoding="utf-8")
        return Wav2Vec2CTCTokenizer(
            str(file), pad_token=BLANK, unk_token=UNKNOWN, word_delimiter_token=SPACE, bos_token=None, eos_token=None
        )
