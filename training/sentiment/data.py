"""Sentences and how they feel: reviews, telephone sentences of our own, texts that feel like nothing."""

import json
import tomllib
import zlib
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from pipelines.adapters.sentiment.answer import LABELS
from pipelines.adapters.sentiment.linear import LANGUAGES, LEXICONS, read_lexicon
from pipelines.nets.sentiment_words import words
from training.common.errors import DataError
from training.common.manifests import Problem, refuse
from training.sentiment.recipe import DataSettings

ANSWERS = Path(__file__).parents[1] / "whisper" / "texts"
"""`short_answers_*.txt`: ours."""

TEXTS = Path(__file__).parent / "texts"
"""`phone_en.jsonl` and `phone_fr.jsonl`: 210 sentences in both languages, written for this project; what is in `part` "test" in one
language is so in the other. `denied_*.jsonl`: pairs with and without a denial, never trained on. `denials.toml`: more of them, made of
frames and other words, only trained on."""

_MADE_AS = (
    ("said", "good", 2),
    ("said", "bad", 0),
    ("denied", "good", 0),
    ("said", "plain", 1),
    ("denied", "plain", 1),
)
_MADE = 1.0  # what a sentence made of a frame counts


@dataclass(frozen=True)
class Sentence:
    """`label`: a place in LABELS. `weight`: what it counts in training."""

    text: str
    label: int
    language: str
    source: str
    weight: float = 1.0


@dataclass(frozen=True)
class Parts:
    """`tests`: by name; no sentence of them is in `train`."""

    train: list[Sentence]
    tests: dict[str, list[Sentence]] = field(default_factory=dict)


def divided(settings: DataSettings, data: Path) -> Parts:
    """All that the recipe names. Which sentence is tested depends on its text alone. Raises DataError."""
    train, tests = [], {}
    for language in ("en", "fr"):
        path = TEXTS / f"phone_{language}.jsonl"
        rows = _rows(path)
        taught = {json.dumps(row["text"]) for row in rows if row["part"] == "train"}
        sentences = [(row, _sentence(row, f"phone_{language}")) for row in rows]
        train += [replace(s, weight=settings.phone_weight) for row, s in sentences if row["part"] == "train"]
        tests[f"phone_{language}"] = [
            s for row, s in sentences if row["part"] == "test" and json.dumps(row["text"]) not in taught
        ]
        tests[f"denied_{language}"] = [
            _sentence(row, f"denied_{language}") for row in _rows(TEXTS / f"denied_{language}.jsonl")
        ]
    train += made() if settings.denials else []
    if settings.answers:
        answers = short_answers()
        tests["answers"] = [s for s in answers if _drawn(s, settings.test)]
        train += [s for s in answers if not _drawn(s, settings.test)]
    for name in settings.reviews:
        found = _once([_sentence(row, "reviews") for row in _rows(data / name)])
        tests.setdefault("reviews", []).extend(s for s in found if _drawn(s, settings.test))
        train += [s for s in found if not _drawn(s, settings.test)]
    for name in settings.neutral:
        found = _neutral(data / name, settings)
        tests.setdefault("neutral", []).extend(s for s in found if _drawn(s, settings.test))
        train += [s for s in found if not _drawn(s, settings.test)]
    for name in settings.neutral_aside:
        tests.setdefault("neutral_aside", []).extend(_neutral(data / name, settings))
    measured = {_key(s) for some in tests.values() for s in some}
    train = [s for s in train if _key(s) not in measured]
    if settings.share < 1:
        order = np.random.default_rng(settings.seed).permutation(len(train))
        train = [train[i] for i in order[: max(12, round(settings.share * len(train)))]]
    return Parts(train, tests)


def _neutral(manifest: Path, settings: DataSettings) -> list[Sentence]:
    rows = [row for row in _rows(manifest) if (row.get("text") or "").strip() and row.get("verbatim", True)]
    found = _once([Sentence(row["text"].strip(), 1, row.get("language") or "en", "neutral") for row in rows])
    order = np.random.default_rng(settings.seed).permutation(len(found))[: settings.neutral_each]
    return [found[i] for i in order]


def made() -> list[Sentence]:
    """The sentences of `denials.toml`: said as they are good or bad, and good ones denied."""
    found = []
    for frame in tomllib.loads((TEXTS / "denials.toml").read_text(encoding="utf-8"))["frames"]:
        for shapes, listed, label in _MADE_AS:
            for shape in frame[shapes]:
                for word in frame[listed]:
                    found.append(Sentence(shape.format(word), label, frame["language"], "made", _MADE))
    return found


def short_answers() -> list[Sentence]:
    """What callers mostly say ("Yes.", "On Tuesday."), neutral; those with a word of the lexicon, thanks for one, are left out."""
    found = []
    for language in LANGUAGES:
        lexicon = read_lexicon(TEXTS / LEXICONS.format(language))
        for line in (ANSWERS / f"short_answers_{language}.txt").read_text(encoding="utf-8").splitlines():
            if line.strip() and not any(word in lexicon for word in words(line)):
                found.append(Sentence(line.strip(), 1, language, "answers"))
    return _once(found)


def _rows(path: Path) -> list[dict]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    rows, problems = [], []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            row["text"], row.get("sentiment")
            rows.append(row)
        except (ValueError, KeyError, TypeError, AttributeError):
            problems.append(str(Problem(path, number, "is no JSON line with a text.")))
    refuse(problems, "stop", print)
    return rows


def _sentence(row: dict, source: str) -> Sentence:
    if row.get("sentiment") not in LABELS:
        raise DataError(f"{row['text']!r}: sentiment must be one of {', '.join(LABELS)}, not {row.get('sentiment')!r}.")
    return Sentence(row["text"].strip(), LABELS.index(row["sentiment"]), row.get("language") or "en", source)


def _key(sentence: Sentence) -> str:
    return " ".join("".join(c if c.isalnum() else " " for c in sentence.text.lower()).split())


def _drawn(sentence: Sentence, share: float) -> bool:
    return zlib.crc32(_key(sentence).encode()) % 1_000 < 1_000 * share


def _once(sentences: list[Sentence]) -> list[Sentence]:
    return list({_key(s): s for s in sentences}.values())
