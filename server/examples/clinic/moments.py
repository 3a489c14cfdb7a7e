"""Days and times as callers and language models put them, in English and French: "tomorrow", "mardi prochain", "le 24",
"half past nine".

Models invent years and miscount weekdays; so the tools are given the caller's words, and the date is computed here.
"""

import re
import unicodedata
from datetime import date, time, timedelta
from functools import cache

from num2words import num2words

WEEKDAYS = {
    "en": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    "fr": ("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
}
MONTHS = {
    "en": (
        *("January", "February", "March", "April", "May", "June"),
        *("July", "August", "September", "October", "November", "December"),
    ),
    "fr": (
        *("janvier", "février", "mars", "avril", "mai", "juin"),
        *("juillet", "août", "septembre", "octobre", "novembre", "décembre"),
    ),
}
_WORDS = re.compile(r"[a-z]+|\d+")


def plain(text: str) -> str:
    """Lower case, no accents, no hyphens or apostrophes, single spaces."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))
    return " ".join(re.sub(r"[-'’]", " ", bare).split())


_WEEKDAY = {plain(name): number for names in WEEKDAYS.values() for number, name in enumerate(names)}
_MONTH = {plain(name): number for names in MONTHS.values() for number, name in enumerate(names, start=1)}
_MONTH |= {name[:3]: number for name, number in list(_MONTH.items()) if name not in ("juin", "juillet")}
_RELATIVE = {
    "day after tomorrow": 2,
    "apres demain": 2,
    "tomorrow": 1,
    "demain": 1,
    "today": 0,
    "tonight": 0,
    "this morning": 0,
    "this afternoon": 0,
    "aujourd hui": 0,
    "ce matin": 0,
    "cet apres midi": 0,
}


def read_day(text: str, today: date) -> date | None:
    """The day that `text` names, never before `today`; None when it names none (or a day of a past year).

    A weekday is the next one, `today` excluded; "next Tuesday" is in the following week when it is said with "week"
    ("next week Tuesday", "mardi de la semaine prochaine"), else the next one too, as most callers mean it. A day of the
    month without a month is the next such day.
    """
    said = plain(text)
    for words, days in _RELATIVE.items():
        if re.search(rf"\b{words}\b", said):
            return today + timedelta(days=days)
    if iso := re.search(r"\b(\d{4}) (\d{1,2}) (\d{1,2})\b", said):
        year, month, day = map(int, iso.groups())
        return _coming(day, month, today, year)
    if ahead := re.search(r"\b(?:in|dans) (\w+) (days?|jours?|weeks?|semaines?)\b", said):
        count = _number(ahead[1])
        if count is not None:
            return today + timedelta(days=count * (7 if ahead[2][0] in "ws" else 1))
    if slashed := re.search(r"\b(\d{1,2})/(\d{1,2})\b", said):
        return _coming(int(slashed[1]), int(slashed[2]), today, None)
    words = re.sub(r"(?<=\d)(st|nd|rd|th|er|eme)\b", "", said)
    tokens = _WORDS.findall(words)
    month = next((_MONTH[token] for token in tokens if token in _MONTH), None)
    numbers = [int(token) for token in tokens if token.isdigit() and 1 <= int(token) <= 31]
    weekday = next((_WEEKDAY[token] for token in tokens if token in _WEEKDAY), None)
    if month is not None and (numbers or (ordinal := _ordinal(words))):
        return _coming(numbers[0] if numbers else ordinal, month, today, None)
    if weekday is not None and not (numbers and _bare_day(words)):
        days = (weekday - today.weekday() - 1) % 7 + 1
        if re.search(r"\bnext week\b|\bsemaine prochaine\b", said):
            days = 7 - today.weekday() + weekday
        return today + timedelta(days=days)
    if numbers and _bare_day(words):
        return _coming(numbers[0], None, today, None)
    if re.search(r"\bnext week\b|\bsemaine prochaine\b", said):
        return today + timedelta(days=7 - today.weekday())
    return None


def read_time(text: str) -> time | None:
    """The time of day that `text` names, None when it names none. Hours 1 to 7 without "am" are in the afternoon: a
    practice's hours."""
    said = plain(text)
    if re.search(r"\bnoon\b|\bmidi\b", said) and "apres midi" not in said:
        hour, minute = 12, 0
    elif clock := re.search(r"\b(\d{1,2})(?: ?(?:[:.h]|heures?|hours?) ?(\d{1,2})?)\b", said) or re.search(
        r"\b(\d{1,2})(?: (\d{2}))?\b", said
    ):
        hour, minute = int(clock[1]), int(clock[2] or 0)
    else:
        found = _numbers(said)
        if not found:
            return None
        hour, minute = found[0], found[1] if len(found) > 1 else 0
    first, *_ = _numbers(said) or [hour]
    if re.search(r"\bhalf past\b|\bet demie?\b", said):
        minute = 30
    elif re.search(r"\bquarter past\b|\bet quart\b", said):
        minute = 15
    elif re.search(r"\bquarter to\b", said):
        hour, minute = first - 1, 45
    elif "moins le quart" in said:
        hour, minute = hour - 1, 45
    afternoon = re.search(r"\bp ?\.? ?m\b|\bdu soir\b|\bde l apres midi\b", said)
    morning = re.search(r"\ba ?\.? ?m\b|\bdu matin\b|(?<![:.h\d])0\d", said)
    if (afternoon and hour < 12) or (1 <= hour <= 7 and not morning):
        hour += 12
    elif morning and hour == 12:
        hour = 0
    return time(hour, minute) if 0 <= hour < 24 and 0 <= minute < 60 else None


def say_day(day: date, language: str, today: date) -> str:
    """`day` as it is spoken: "tomorrow, Wednesday the 25th of November"."""
    near = {0: {"en": "today", "fr": "aujourd'hui"}, 1: {"en": "tomorrow", "fr": "demain"}}.get((day - today).days, {})
    weekday, month = WEEKDAYS[language][day.weekday()], MONTHS[language][day.month - 1]
    if language == "fr":
        name = f"{weekday} {'1er' if day.day == 1 else day.day} {month}"
    else:
        name = f"{weekday}, {month} {num2words(day.day, to='ordinal_num')}"
    return f"{near[language]}, {name}" if near else name


def say_time(at: time, language: str) -> str:
    """`at` as it is spoken and written: "9:30 AM", "9 heures 30"."""
    if language == "fr":
        return f"{at.hour} heures {at.minute}" if at.minute else f"{at.hour} heures"
    hour = (at.hour - 1) % 12 + 1
    return f"{hour}{f':{at.minute:02}' if at.minute else ''} {'AM' if at.hour < 12 else 'PM'}"


def _coming(day: int, month: int | None, today: date, year: int | None) -> date | None:
    """The next such day from today on; a year that is past was invented by the model, and is not believed."""
    for ahead in range(14):
        number = today.year * 12 + today.month - 1 + ahead
        if month is not None and number % 12 + 1 != month:
            continue
        try:
            found = date(number // 12, number % 12 + 1, day)
        except ValueError:
            continue
        if found >= today and (year is None or year <= today.year or found.year == year):
            return found
    return None


_DAY_NUMBER = re.compile(
    r"\b(?:the|le|on|day|jour|\w+day|lundi|mardi|mercredi|jeudi|vendredi|samedi|dimanche) (?:the )?\d{1,2}"
    r"(?! ?[:.h\d]| ?heures?| ?o)\b"
)


def _bare_day(words: str) -> bool:
    """Whether a number in it is a day of the month ("the 24", "le 24"), not a time."""
    return words.isdigit() or bool(_DAY_NUMBER.search(words))


@cache
def _number_words() -> dict[str, int]:
    table = {plain(num2words(n, lang=language)): n for language in ("en", "fr") for n in range(60)}
    return table | {"une": 1, "a": 1, "vingt et une": 21}


@cache
def _ordinal_words() -> dict[str, int]:
    return {plain(num2words(n, to="ordinal")): n for n in range(1, 32)} | {"premier": 1}


def _number(word: str) -> int | None:
    return int(word) if word.isdigit() else _number_words().get(word)


def _ordinal(words: str) -> int | None:
    named = [(len(name), n) for name, n in _ordinal_words().items() if re.search(rf"\b{name}\b", words)]
    return max(named)[1] if named else None


def _numbers(said: str) -> list[int]:
    """Numbers in it, in order, written as words or digits; the longest reading of words wins ("twenty five" is 25)."""
    table = _number_words()
    tokens = _WORDS.findall(said)
    found, at = [], 0
    while at < len(tokens):
        for length in (3, 2, 1):
            words = " ".join(tokens[at : at + length])
            value = int(words) if words.isdigit() else table.get(words) if words != "a" else None
            if value is not None and len(tokens[at : at + length]) == length:
                found.append(value)
                at += length
                break
        else:
            at += 1
    return found
