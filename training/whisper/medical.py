"""A vocabulary to teach: French pharmacy, from exam questions and their answers (FrenchMedMCQA, Labrak et al. 2022).

Sentences are made speakable, and what is spoken is what is written in the reference: optional endings are dropped
("celle(s) qui est(sont)" becomes "celle qui est"), so are remarks in parentheses; Greek letters are written out.
A sentence with digits, initials, or any other symbol is left out, because voices and writers differ about them.

Its terms are those of `terms`; misspelt words of the source are among them.

The set is split by sentence. What is tested are whole questions and statements that were never trained on; whether
their terms were, in other sentences, is known of each: a term never taught cannot be learnt, and is counted apart.
"""

import json
import random
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from training.common.errors import DataError
from training.common.measures import normalize
from training.whisper.terms import terms_of

_LONGEST = 120  # characters: about 9 s
_STATEMENT = 5  # words, at least
_SHORT = 3  # words of an answer that is named in a list, at most
_ALIKE = 0.6  # share of common words from which two sentences are the same

_GREEK = {"α": "alpha", "β": "bêta", "γ": "gamma", "δ": "delta"}
_ENDING = re.compile(
    r"\s*\((?:s|e|x|es|nt|ent|sont|ont|les|lesquels|lesquelles|laquelle|quelles|quels|celles|ceux)\)", re.IGNORECASE
)
_REMARK = re.compile(r"\s*\([^()]*\)")
_SPEAKABLE = re.compile(r"[A-Za-zÀ-ÖØ-öø-ÿŒœ' ,;:.?!\-]+")
_INITIALS = re.compile(
    r"[A-ZÀ-Þ]{2}|[a-zà-ÿ][A-ZÀ-Þ]|\b[A-ZÀ-Þ]\b(?!['.]?\w)|\b[A-Za-z]\.|\b(?![àyaôÀYAÔ]\b|[dlnmtscjqDLNMTSCJQ]')\w\b"
)
# An E at the head of a word before one consonant and a vowel is an É whose accent was not typed (Electrode, Ethanol).
_BARE_E = re.compile(r"\bE(?=(?:[bcdfgpt][hrl]?|[hjklmnqrv])[aeiouyéèêœ])")
_BROKEN = re.compile(r"\blaquels?\b", re.IGNORECASE)  # what "la(les)quel(s)" leaves
_END = " ,;:.?!-"


def speakable(text: str) -> str | None:
    """`text` as a voice says it and a listener would write it, one sentence with its full stop; None if that cannot be
    said for sure."""
    text = unicodedata.normalize("NFC", text).replace("’", "'").replace("\xa0", " ").replace("®", "")
    for letter, name in _GREEK.items():
        text = text.replace(letter, name)
    text = _REMARK.sub("", _ENDING.sub("", text))
    text = " ".join(re.sub(r'…|\.\.\.|["«»]', " ", text).split())
    question = text.rstrip(" .:").endswith("?")
    text = text.strip(_END)
    if not text or not _SPEAKABLE.fullmatch(text) or _INITIALS.search(text) or _BROKEN.search(text):
        return None
    text = _BARE_E.sub("É", re.sub(r"\s+([,.])", r"\1", text))
    return text[0].upper() + text[1:] + (" ?" if question else ".")


class Sentence(msgspec.Struct, frozen=True):
    """`text` and the terms in it, each once. `whole`: a question or a statement, not a list of answers."""

    text: str
    terms: frozenset[str]
    whole: bool


def sentences(path: Path) -> list[Sentence]:
    """What can be said of the questions in `path` (JSON lines: text, answers): questions, answers that are statements,
    and for every question a list of its short answers. In the order of the file, each text once. Raises DataError."""
    try:
        questions = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        found = [sentence for question in questions for sentence in _of(question["text"], question["answers"])]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path}: not questions with their answers, one JSON object a line ({error!r}).") from error
    return list({normalize(sentence.text, "fr"): sentence for sentence in reversed(found)}.values())[::-1]


def _of(question: str, answers: Sequence[str]) -> Iterable[Sentence]:
    said = [text for text in map(speakable, answers) if text]
    statements = [text for text in said if len(text.split()) >= _STATEMENT]
    short = [text for text in said if len(text.split()) <= _SHORT]
    for text, whole in ((speakable(question), True), *((text, True) for text in statements), (_listed(short), False)):
        if text and len(text) <= _LONGEST:
            yield Sentence(text, terms_of(text), whole)


def _listed(short: Sequence[str]) -> str | None:
    if len(short) < 2:
        return None
    *first, last = (text[0].lower() + text[1:].rstrip(" .?") for text in short)
    listed = f"{', '.join(first)} et {last}."
    return listed[0].upper() + listed[1:]


def split(
    found: Sequence[Sentence], *, train: int, test: int, untaught: int, seed: int = 0
) -> tuple[list[Sentence], list[Sentence]]:
    """(to train on, to test on): `train` and `test` sentences, drawn by `seed`.

    Tested are whole sentences that hold a term. In `test - untaught` of them every term is also in a sentence that is
    trained on (unless that is nearly the same sentence, which is never trained on, or there is no room for it); in the
    other `untaught` at least one term is in none. Trained on are those that teach the terms tested, each twice where it
    can be; then those with the most terms that are new. Raises DataError when there are too few sentences.
    """
    order = random.Random(seed).sample(list(found), len(found))
    tested = _tested(order, test, untaught)
    chosen = {sentence.text for sentence in tested}
    words = [frozenset(normalize(sentence.text, "fr").split()) for sentence in tested]
    rest = [sentence for sentence in order if sentence.text not in chosen and not _near(sentence, words)]
    wanted = Counter(dict.fromkeys((term for sentence in tested for term in sentence.terms), 2))
    trained: list[Sentence] = []
    taught: Counter[str] = Counter()

    def worth(sentence: Sentence) -> tuple[int, int]:
        return (
            sum(taught[term] < wanted[term] for term in sentence.terms),
            sum(not taught[term] for term in sentence.terms),
        )

    while len(trained) < train and rest:
        best = max(rest, key=worth)
        rest.remove(best)
        trained.append(best)
        taught.update(best.terms)
    if len(trained) < train:
        raise DataError(f"{len(found)} sentences are too few to train on {train} and test on {test}.")
    return trained, tested


def _tested(order: Sequence[Sentence], test: int, untaught: int) -> list[Sentence]:
    """Whole sentences, those with the most terms first (so that there is much to count), of each of whose terms another
    sentence is left; and `untaught` for which that does not hold."""
    left = Counter(term for sentence in order for term in sentence.terms)
    whole = sorted((s for s in order if s.whole and s.terms), key=lambda sentence: -len(sentence.terms))
    known: list[Sentence] = []
    for sentence in whole:
        if len(known) < test - untaught and all(left[term] >= 2 for term in sentence.terms):
            left.subtract(sentence.terms)
            known.append(sentence)
    alone = [
        sentence for sentence in whole if any(left[term] == 1 for term in sentence.terms) and sentence not in known
    ]
    tested = known + alone[:untaught]
    if len(tested) < test:
        raise DataError(
            f"{len(order)} sentences are too few to test on {test}, {untaught} of them with terms not taught."
        )
    return tested


def _near(sentence: Sentence, others: Sequence[frozenset[str]]) -> bool:
    words = frozenset(normalize(sentence.text, "fr").split())
    return any(len(words & other) / len(words | other) >= _ALIKE for other in others)


def prepare(questions: Path, folder: Path, *, train: int, test: int, untaught: int, seed: int = 0) -> None:
    """Write `train_sentences.jsonl` and `test_sentences.jsonl` into `folder`, to be spoken by different voices: `text`,
    its `terms`, and which of them are `untaught`: in no sentence trained on. Raises as `sentences` and `split`."""
    trained, tested = split(sentences(questions), train=train, test=test, untaught=untaught, seed=seed)
    taught = frozenset(term for sentence in trained for term in sentence.terms)
    folder.mkdir(parents=True, exist_ok=True)
    for name, part in (("train", trained), ("test", tested)):
        lines = (
            {"text": sentence.text, "terms": sorted(sentence.terms), "untaught": sorted(sentence.terms - taught)}
            for sentence in part
        )
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        (folder / f"{name}_sentences.jsonl").write_text(text, encoding="utf-8")
