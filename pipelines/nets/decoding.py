"""From probabilities to text: greedy, and beam search with or without an n-gram model of the language.

Greedy takes the likeliest character of each frame and collapses. That is the likeliest *path*; the likeliest *text* may have many
paths, so a beam search adds them up, and it can ask a language model how likely the words are as well. The search is
flashlight-text's, the language model KenLM's; both are imported only when a `Beam` is made.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.errors import ModelError
from pipelines.nets.alphabet import BLANK, Alphabet, Words

_NEVER = -1e4  # a log probability


class BeamSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    width: int = Field(32, ge=1, le=2_000)
    """Beginnings of a text that are followed at once."""
    language_weight: float = Field(1.0, ge=0.0, le=20.0)
    """What the language model's opinion counts for (its scores are logarithms to base 10; the network's are natural)."""
    word_score: float = Field(0.0, ge=-20.0, le=20.0)
    """Added for each word: above 0 makes for more and shorter words, to make up for what the language model takes for each."""


def collapse(path: Iterable[int]) -> list[int]:
    """What a path of one number a frame writes: repeats are one, then blanks are none. [0 1 1 0 1 2] writes [1 1 2]."""
    return [number for number, _ in groupby(path) if number != BLANK]


def chosen(log_probs: NDArray[np.float32], alphabet: Words) -> str:
    """The word that is likeliest to be all that was said, by CTC's probability of it: the sum over all places it may stand in. log_probs (T, V), T > 0."""
    blank, words = log_probs[:, :1].astype(np.float64), log_probs[:, 1:].astype(np.float64)
    before = np.zeros(1)
    within = after = np.full(words.shape[1], -np.inf)
    for silent, spoken in zip(blank, words, strict=True):
        after = np.logaddexp(after, within) + silent
        within = np.logaddexp(before, within) + spoken
        before = before + silent
    return alphabet.decode([int(np.logaddexp(within, after).argmax()) + 1])


def greedy(log_probs: NDArray[np.float32], alphabet: Alphabet) -> str:
    """Text of the likeliest path through `log_probs` (T, V)."""
    return _tidy(alphabet.decode(collapse(log_probs.argmax(axis=-1).tolist())))


class Beam:
    """Beam search, with all that can be prepared for it. Calls must not overlap in time.

    With a language model (an ARPA file or KenLM's binary of words) only its words can be written: the right thing for menus and digits,
    and for dictation if the model has seen the words.
    """

    def __init__(
        self,
        alphabet: Alphabet,
        settings: BeamSettings = BeamSettings(),  # noqa: B008 - frozen
        *,
        language_model: Path | None = None,
        words: Sequence[str] = (),
    ) -> None:
        """`words`: those that may be written; an ARPA file's own if none are given, a binary needs them.

        Raises ModelError when a library is not installed, the language model cannot be read, or the alphabet can write none of its words.
        """
        try:
            from flashlight.lib.text import decoder
        except ImportError as error:
            raise ModelError("beam search needs flashlight-text: pip install 'allo[train]'.") from error
        self._alphabet = alphabet
        # What ends a word; a column of its own, never likely but at the end, if the net writes no spaces.
        self._space = alphabet.characters.find(" ") + 1 or alphabet.size
        # Beginnings that are less likely by e^-25 than the best are not followed; paths of the same text are added up.
        common = {"beam_size_token": alphabet.size + 1, "beam_threshold": 25.0, "sil_score": 0.0, "log_add": True}
        common |= {"beam_size": settings.width, "criterion_type": decoder.CriterionType.CTC}
        self._words: list[str] | None = None
        if language_model is None:
            options = decoder.LexiconFreeDecoderOptions(lm_weight=0.0, **common)
            self._search = decoder.LexiconFreeDecoder(options, decoder.ZeroLM(), BLANK, BLANK, [])
            return
        self._words = _writable(words or arpa_words(language_model), alphabet, language_model)
        model, numbers, unknown = _kenlm(language_model, self._words)
        trie = decoder.Trie(alphabet.size + 1, self._space)
        start = model.start(False)
        for word, number in zip(self._words, numbers, strict=True):
            # Words end with a space because flashlight lets a word's last token neither last nor obey CTC's rule of repeats.
            trie.insert([*alphabet.encode(word), self._space], number, model.score(start, number)[1])
        trie.smear(decoder.SmearingMode.MAX)  # a beginning is as good as the best word it can become
        options = decoder.LexiconDecoderOptions(
            lm_weight=settings.language_weight, word_score=settings.word_score, unk_score=float("-inf"), **common
        )
        self._search = decoder.LexiconDecoder(options, trie, model, self._space, BLANK, unknown, [], False)
        self._keep = (model, trie)  # the search holds them by reference

    def __call__(self, log_probs: NDArray[np.float32]) -> str:
        """Likeliest text of `log_probs` (T, V), V = the alphabet's size."""
        frames, size = log_probs.shape
        if size != self._alphabet.size:
            raise ValueError(f"log_probs of {size} characters, but the alphabet has {self._alphabet.size}")
        if self._words is None:
            found = self._found(np.ascontiguousarray(log_probs, np.float32))
            return _tidy(self._alphabet.decode(collapse(found.tokens))) if found else ""
        emissions = np.full((frames + 1, max(size, self._space + 1)), _NEVER, np.float32)
        emissions[:frames, :size] = log_probs
        emissions[frames, self._space] = 0.0  # the last word has ended as well
        found = self._found(emissions)
        words = found.words if found else []
        return " ".join(self._words[number] for number in words if number >= 0)

    def _found(self, emissions: NDArray[np.float32]):
        """The best result, or None."""
        results = self._search.decode(emissions.ctypes.data, *emissions.shape)
        return results[0] if results else None


def arpa_words(path: Path) -> list[str]:
    """The words of an ARPA file, without its marks (<s>, </s>, <unk>). Raises ModelError."""
    words: list[str] = []
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                if line.startswith("\\1-grams:"):
                    break
            for line in lines:
                if line.startswith("\\"):
                    break
                if fields := line.split():
                    words.append(fields[1])
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise ModelError(f"{path} is no ARPA language model; a binary one needs its words beside it.") from error
    return [word for word in words if not word.startswith("<")]


def _writable(words: Iterable[str], alphabet: Alphabet, model: Path) -> list[str]:
    kept = [word for word in words if set(word) <= set(alphabet.characters)]
    if not kept:
        raise ModelError(
            f"no word of {model} can be written with this network's alphabet: train them on the same language."
        )
    return kept


def _kenlm(path: Path, words: Sequence[str]):
    """KenLM behind flashlight's interface, the words' numbers in it, and the number of unknown words."""
    try:
        from flashlight.lib.text.decoder.kenlm import KenLM
        from flashlight.lib.text.dictionary import Dictionary
    except ImportError as error:
        raise ModelError("a language model needs kenlm: pip install 'allo[train]'.") from error
    dictionary = Dictionary()
    for word in words:
        dictionary.add_entry(word)
    dictionary.add_entry("<unk>")
    dictionary.set_default_index(dictionary.get_index("<unk>"))
    try:
        with _no_chatter():
            model = KenLM(str(path), dictionary)
    except (RuntimeError, ValueError) as error:  # ValueError: a message that is not even text
        raise ModelError(f"language model {path} cannot be read: {error}") from error
    return model, [dictionary.get_index(word) for word in words], dictionary.get_index("<unk>")


def _tidy(text: str) -> str:
    return " ".join(text.split())


@contextmanager
def _no_chatter() -> Iterator[None]:
    """KenLM draws a progress bar on the error output of the process."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
