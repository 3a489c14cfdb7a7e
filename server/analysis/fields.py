"""Fields that an agent asks to be filled in after its calls: the JSON schema that a language model must keep to, and the check that what it says
was said.

A value comes with a quote. It is kept when the quote is in the transcript, word for word, and when a text or number stands there itself: a model
that invents one is not believed.
"""

import re
import unicodedata
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from num2words import num2words

from pipelines.analysis.analysis import Analysis, Finding
from pipelines.analysis.speakers import is_other
from server.agent_config import ExtractedField

MAX_SUMMARY = 600
"""Longest summary, in characters."""
_MAX_QUOTE = 200
_FEW_DIGITS = 3
_SPELLED = 1e9  # nobody says larger numbers in words; and none that is not finite
_LANGUAGES = ("en", "fr")
_LIGATURES = str.maketrans(
    {"œ": "oe", "Œ": "oe", "æ": "ae", "Æ": "ae"}
)  # which recognisers write and models do not, or the other way round

Value = str | int | float | bool


def schema_of(fields: Mapping[str, ExtractedField]) -> dict[str, Any]:
    """JSON schema of an answer: `summary`, and for each of `fields` an object of `quote` and `value`, or null."""
    properties = {
        name: {
            "anyOf": [
                _object({"quote": {"type": "string", "maxLength": _MAX_QUOTE}, "value": _value(field)}),
                {"type": "null"},
            ]
        }
        for name, field in fields.items()
    }
    summary = {"type": "string", "maxLength": MAX_SUMMARY}
    return _object({"summary": summary, **({"fields": _object(properties)} if fields else {})})


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _value(field: ExtractedField) -> dict[str, Any]:
    if isinstance(field.type, list):
        return {"type": "string", "enum": field.type}
    if field.type == "date":
        return {"type": "string", "format": "date"}
    if field.type == "string":
        return {"type": "string", "maxLength": _MAX_QUOTE}
    return {"type": field.type}


# ---- what is believed


def believed(fields: Mapping[str, ExtractedField], answer: object, analysis: Analysis) -> dict[str, Finding]:
    """Each of `fields`, from what a model answered for them: whatever that is, none is invented."""
    given = answer if isinstance(answer, dict) else {}
    said = Said(analysis)
    return {name: _finding(field, given.get(name), said) for name, field in fields.items()}


def _finding(field: ExtractedField, given: object, said: "Said") -> Finding:
    if given is None:
        return Finding()
    if not isinstance(given, dict) or not isinstance(given.get("quote"), str):
        return Finding(left_out="not in the form that was asked for")
    quote, value = given["quote"].strip(), given.get("value")
    if value is None:
        return Finding()
    if not fits(field, value):
        return Finding(left_out="not one of the words" if isinstance(field.type, list) else f"not of type {field.type}")
    if not said.words(quote):
        return Finding(left_out="its quote is not in the transcript")
    literal = not isinstance(field.type, list) and field.type in ("string", "integer", "number")
    if literal and not (said.words(value) if isinstance(value, str) else said.number(value)):
        return Finding(left_out="not in the transcript")
    return Finding(value, quote)


def fits(field: ExtractedField, value: object) -> bool:
    """Whether a value is of the field's type."""
    if isinstance(field.type, list):
        return value in field.type
    match field.type:
        case "boolean":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "date":
            return isinstance(value, str) and _is_date(value)
        case _:
            return isinstance(value, str) and bool(value.strip())


def _is_date(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == len("2026-01-01")


class Said:
    """What can be quoted: the words of both, as they were heard, in order; or the caller's alone, over what the agent said between."""

    def __init__(self, analysis: Analysis) -> None:
        heard = [turn.heard for turn in analysis.turns]
        own = [turn.heard for turn in analysis.turns if turn.party == "caller" and not is_other(turn)]
        self._texts = (" ".join(heard), " ".join(own))
        self._plain = tuple(f" {plain(text)} " for text in self._texts)

    def words(self, text: str) -> bool:
        """Whether these words were said one after another: case, accents and punctuation aside. Keys and spelled digits may be run together."""
        wanted = plain(text)
        if not wanted:
            return False
        if any(f" {wanted} " in said for said in self._plain):
            return True
        digits = re.sub(r"\D", "", wanted)
        only_digits = len(digits) >= _FEW_DIGITS and not re.search(r"[^\W\d]", wanted)
        return only_digits and any(digits in re.sub(r"\D+", "", said) for said in self._plain)

    def number(self, value: int | float) -> bool:
        """Whether this number was said, in figures or, in English or French, in words."""
        if any(abs(value - said) < 1e-9 for text in self._texts for said in figures(text)):
            return True
        if not abs(value) < _SPELLED:
            return False
        return any(f" {words} " in said for words in _spelled(value) for said in self._plain)


def _spelled(value: int | float) -> Iterator[str]:
    """The number in words, as both languages have it: French counts women apart ("vingt et une")."""
    whole = int(value) if float(value).is_integer() else value  # a model may write 21.0
    for language in _LANGUAGES:
        words = plain(num2words(whole, lang=language))
        yield words
        if language == "fr" and words.endswith("un"):
            yield f"{words}e"


def plain(text: str) -> str:
    """Words alone, with single spaces: no case, accents, ligatures or punctuation."""
    text = text.translate(_LIGATURES)
    for _ in range(2):  # what one step takes apart, the other may fold further
        text = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(char for char in text if not unicodedata.combining(char))
    return " ".join(re.findall(r"[^\W_]+", bare))


def figures(text: str) -> Iterator[float]:
    """Numbers written in figures; "1,500" may be one and a half, or fifteen hundred."""
    for found in re.findall(r"\d+(?:[.,\s\u202f]\d{3})+(?!\d)", text):
        yield float(re.sub(r"\D", "", found))
    for whole, part in re.findall(r"(?<!\d)(\d{1,3}(?:[.,\s\u202f]\d{3})+)[.,](\d{1,2})(?!\d)", text):
        yield float(re.sub(r"\D", "", whole) + "." + part)
    for found in re.findall(r"\d+(?:[.,]\d+)?", text):
        yield float(found.replace(",", "."))
