"""Numbers and names in what was said, found so that they can be left out. English and French, spoken or in figures.

A number is four digits or more in a row, said in three pieces or more: "06 12 34 56 78", "four two four two", and not "nine thirty" or "10:45". A name is what follows the words with which people
give theirs ("my name is", "je m'appelle") and begins with a capital, or what a tool was given as one. A name that is said otherwise, or
that the recogniser wrote without a capital, is not found: this makes transcripts fit to be read by more people, not by anyone.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from functools import cache

import msgspec
from num2words import num2words

from pipelines.events import ToolStarted
from pipelines.replay.dump import Dump

LEAST_DIGITS, LEAST_PIECES = 4, 3

_TOKEN = re.compile(r"\d|[^\W\d_]+")
_REPEATED = {"double": 2, "triple": 3}
_BETWEEN = {
    "uh",
    "um",
    "then",
    "euh",
    "puis",
    "dash",
    "space",
    "tiret",
    "espace",
    "point",
}  # inside a number, and no part of it
_NAME = r"([A-ZÀ-ÖØ-Þ][\w'’-]*(?:[ -](?:(?:de|du|la|le|van|von|Mc|O)[ ])?[A-ZÀ-ÖØ-Þ][\w'’-]*){0,3})"
_BEFORE_NAMES = re.compile(
    r"(?:\b(?i:my (?:last |first |full )?name(?:[’']s| is)|the name(?:[’']s| is)|name of|this is|speaking to|i[’']m|i am|call me|mr\.?|mrs\.?|ms\.?|miss|dr\.?|doctor"
    r"|je m[’']appelle|mon (?:pr[ée])?nom (?:est|c[’']est)|au nom d[e’']|le nom (?:est|c[’']est)|je suis|monsieur|madame|mademoiselle|mme\.?|docteur|c[’']est)[ ,]*(?:(?i:de|du) )?)"
    + _NAME
)
_NO_NAMES = {"I", "A", "The", "Is", "It", "Yes", "No", "Oui", "Non", "Je", "Le", "La", "Un", "Une", "Allô", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"}  # fmt: skip


class Run(msgspec.Struct, frozen=True):
    """A number in text[start:end], and its digits."""

    start: int
    end: int
    digits: str


@cache
def _number_words() -> dict[tuple[str, ...], str]:
    words = {
        ("oh",): "0",
        ("o",): "0",
        ("zéro",): "0",
        ("septante",): "70",
        ("huitante",): "80",
        ("nonante",): "90",
        ("une",): "1",
    }
    for language in ("en", "fr"):
        for number in range(100):
            said = num2words(number, lang=language)
            words[tuple(re.findall(r"[^\W\d_]+", said))] = str(number)
    return words


def numbers(text: str) -> list[Run]:
    """Every number of `LEAST_DIGITS` digits and `LEAST_PIECES` pieces or more, in order. A figure is a piece for each of its digits."""
    tokens = [(match[0].lower(), match.start(), match.end()) for match in _TOKEN.finditer(text)]
    runs: list[Run] = []
    digits, pieces, start, end, times = "", 0, 0, 0, 1
    i = 0
    while i <= len(tokens):
        found, size = _number_at(tokens, i) if i < len(tokens) else ("", 0)
        word = tokens[i][0] if i < len(tokens) else ""
        clock = bool(digits) and i < len(tokens) and ":" in text[end : tokens[i][1]]
        if found and not clock:
            start = start if digits or times > 1 else tokens[i][1]
            digits, pieces, end, times = digits + found * times, pieces + times, tokens[i + size - 1][2], 1
            i += size
            continue
        if word in _REPEATED and not clock:
            start = start if digits else tokens[i][1]
            times = _REPEATED[word]
        elif clock or not (digits and word in _BETWEEN):
            if len(digits) >= LEAST_DIGITS and pieces >= LEAST_PIECES:
                runs.append(Run(start, end, digits))
            digits, pieces, times = "", 0, 1
            if clock:
                continue
        i += 1
    return runs


def _number_at(tokens: Sequence[tuple[str, int, int]], i: int) -> tuple[str, int]:
    """(digits, tokens they take) of the longest number that begins at token `i`, "" for none."""
    if tokens[i][0].isdecimal():
        return tokens[i][0], 1
    known = _number_words()
    for size in (4, 3, 2, 1):
        words = tuple(token for token, *_ in tokens[i : i + size])
        if len(words) == size and words in known:
            return known[words], size
    return "", 0


def names_given(dump: Dump) -> set[str]:
    """Words of what the agent's tools were given as a name."""
    found: set[str] = set()
    for _, event in dump.events(ToolStarted):
        try:
            arguments = msgspec.json.decode(event.arguments)
        except msgspec.DecodeError:
            continue
        if isinstance(arguments, dict):
            for key, value in arguments.items():
                if isinstance(value, str) and re.search(r"name|nom\b|patient", key, re.I):
                    found |= {word for word in re.findall(r"[^\W\d_]+", value) if len(word) > 1}
    return found


def redactor(names: Iterable[str] = ()) -> Callable[[str], str]:
    """What writes "[number]" and "[name]" into a text. `names`: words that are names wherever they stand."""
    listed = [re.escape(name) for name in sorted(names, key=len, reverse=True)]
    given = re.compile(rf"\b(?:{'|'.join(listed)})\b", re.I) if listed else None

    def redact(text: str) -> str:
        for run in reversed(numbers(text)):
            text = f"{text[: run.start]}[number]{text[run.end :]}"
        text = _BEFORE_NAMES.sub(_without_name, text)
        if given is not None:
            text = given.sub("[name]", text)
        return re.sub(r"\[name\](?:[ -]\[name\])+", "[name]", text)

    return redact


def _without_name(match: re.Match[str]) -> str:
    if match[1].split()[0] in _NO_NAMES:
        return match[0]
    return match[0][: match.start(1) - match.start()] + "[name]"
