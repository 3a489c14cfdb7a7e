"""What is written becomes what is said: numbers, hours, dates, money, telephone numbers, acronyms; English and French.

A table of patterns, most particular first; each turns its match into words that no later pattern touches.
Plain words are left alone."""

import re
from collections.abc import Callable
from functools import lru_cache

from num2words import num2words

_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]

_EN_MONTHS = ("January", "February", "March", "April", "May", "June",
              "July", "August", "September", "October", "November", "December")  # fmt: skip
_FR_MONTHS = ("janvier", "février", "mars", "avril", "mai", "juin",
              "juillet", "août", "septembre", "octobre", "novembre", "décembre")  # fmt: skip

_CURRENCIES = {
    "en": {"$": ("dollar", "dollars", "cents"), "€": ("euro", "euros", "cents"), "£": ("pound", "pounds", "pence")},
    "fr": {"$": ("dollar", "dollars", "cents"), "€": ("euro", "euros", ""), "£": ("livre", "livres", "pence")},
}
_UNITS = {
    "en": {"min": "minute", "mg": "milligram", "kg": "kilogram", "ml": "millilitre", "km": "kilometre"},
    "fr": {"min": "minute", "mg": "milligramme", "kg": "kilogramme", "ml": "millilitre", "km": "kilomètre"},
}
# Written in capitals, said as a word.
_SAID_AS_WORDS = frozenset(
    {
        "OK",
        "NO",
        "NOT",
        "YES",
        "ALL",
        "AND",
        "ANY",
        "THE",
        "NEW",
        "NOW",
        "FREE",
        "MUST",
        "ONLY",
        "STOP",
        "PLUS",
        "OUI",
        "NON",
    }
    | {"PIN", "SIM", "VAT", "ASAP", "AIDS", "SIDA", "NASA", "WIFI", "CAF", "CPAM"}
)
_PHONE = re.compile(r"(?<![\w.,/:-])\+?\(?\d[\d .\-()\u00a0\u202f]{5,}\d(?![\w/:]|[.,-]\d)")
_PER_CENT = r"(\d+(?:[.,]\d+)?)[\s\u00a0\u202f]?%"
_AMOUNT = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,2})?|\d+(?:\.\d{1,2})?"
_MONTANT = r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:,\d{1,2})?|\d+(?:[.,]\d{1,2})?"


@lru_cache(maxsize=2048)
def speakable(text: str, language: str) -> str:
    """`text` as a voice of `language` (ISO 639-1) should be given it; unchanged if that is neither English nor French.

    Has no digits left where a pattern knows them, and is its own result when spoken again."""
    for pattern, say in _RULES.get(language, ()):
        text = pattern.sub(say, text)
    return text


def _number(n: int, language: str) -> str:
    return num2words(n, lang=language).replace(",", "")


def _decimal(text: str, language: str) -> str:
    """ "3.50" or "3,50", in either language's way."""
    whole, _, fraction = text.replace(",", ".").partition(".")
    words = _number(int(whole), language)
    if not fraction:
        return words
    zeros = len(fraction) - len(fraction.lstrip("0"))
    digits = [_number(0, language)] * zeros + [_number(int(d), language) for d in fraction[zeros:]]
    if language == "fr" and fraction[zeros:]:  # "virgule quatorze", not "virgule un quatre"
        digits[zeros:] = [_number(int(fraction[zeros:]), language)]
    return " ".join([words, "virgule" if language == "fr" else "point", *digits])


def _digits(text: str, language: str) -> str:
    return " ".join(_number(int(d), language) for d in text)


def _phone(language: str) -> Callable[[re.Match[str]], str]:
    """Digit by digit, in the groups it is written in; French in pairs. Under seven digits it is no telephone number."""

    def say(match: re.Match[str]) -> str:
        written = match.group()
        groups = re.findall(r"\d+", written)
        digits = "".join(groups)
        if len(digits) < 7 or len(digits) > 15 or (len(groups) == 1 and len(digits) < 10 and "+" not in written):
            return written
        if re.fullmatch(r"\d{1,3}(?:[\s\u00a0\u202f]\d{3})+", written) and not written.startswith("0"):
            return written  # a large number, with its thousands apart
        plus = "plus " if "+" in written else ""
        if language != "fr":
            if len(groups) == 1:
                groups = [digits[:-7], digits[-7:-4], digits[-4:]]
            return plus + ", ".join(_digits(group, language) for group in groups if group)
        if plus:  # "+33 6 12 34 56 78"
            country = groups[0] if len(groups) > 1 else digits[:2]
            plus, digits = f"{plus}{_number(int(country), 'fr')}, ", digits[len(country) :]
        odd = len(digits) % 2
        pairs = ([digits[0]] if odd else []) + [digits[n : n + 2] for n in range(odd, len(digits), 2)]
        return plus + ", ".join(_digits(p, "fr") if p[0] == "0" else _number(int(p), "fr") for p in pairs)

    return say


def _integer(language: str) -> Callable[[re.Match[str]], str]:
    """Years as years; a leading zero or five digits and more, digit by digit: a code, not a quantity."""

    def say(match: re.Match[str]) -> str:
        written = match.group()
        if (written[0] == "0" and len(written) > 1) or len(written) >= 5:
            return ", ".join(_digits(written[n : n + 3], language) for n in range(0, len(written), 3))
        if language == "en" and 1900 <= int(written) <= 2099:
            return _year(int(written))
        return _number(int(written), language)

    return say


def _thousands(language: str) -> Callable[[re.Match[str]], str]:
    return lambda m: _decimal(re.sub(r"[^\d.]" if language == "en" else r"[^\d,]", "", m.group()), language)


def _year(year: int) -> str:
    return num2words(year, to="year", lang="en")


def _money(language: str) -> Callable[[re.Match[str]], str]:
    def say(match: re.Match[str]) -> str:
        one, many, cents_name = _CURRENCIES[language][match["sign"]]
        written = re.sub(r"[\s\u00a0\u202f]" if language == "fr" else ",", "", match["amount"]).replace(",", ".")
        whole, _, fraction = written.partition(".")
        n, cents = int(whole), int(fraction.ljust(2, "0") or 0)
        singular = n == 1 or (language == "fr" and n == 0)
        said = f"{_number(n, language)} {one if singular else many}"
        if not cents:
            return said
        if language == "fr":
            return f"{said} {_number(cents, 'fr')}" + (f" {cents_name}" if cents_name else "")
        return f"{said} and {_number(cents, 'en')} {cents_name if cents > 1 or cents_name == 'pence' else 'cent'}"

    return say


def _unit(language: str) -> Callable[[re.Match[str]], str]:
    def say(match: re.Match[str]) -> str:
        name = _UNITS[language][match[2]]
        plural = match[1] != "1" and not (language == "fr" and match[1] == "0")
        return f"{_decimal(match[1], language)} {name}{'s' if plural else ''}"

    return say


def _acronym(language: str) -> Callable[[re.Match[str]], str]:
    """Letter by letter, unless it is said as a word, or the text shouts."""

    def say(match: re.Match[str]) -> str:
        letters = match.group()
        around = match.string[max(0, match.start() - 12) : match.start()] + match.string[match.end() : match.end() + 12]
        if letters in _SAID_AS_WORDS or re.search(r"[A-ZÀ-Ý]{4,}", around):
            return letters
        # A lone "A" would be spoken as the article.
        return " ".join("ay" if letter == "A" and language == "en" else letter for letter in letters)

    return say


# ---- English


def _en_hour(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    half = (match["half"] or "").lower().replace(".", "")
    if hour > 23 or minute > 59:
        return match.group()
    if not half and (hour > 12 or hour == 0):
        half = "pm" if hour >= 12 else "am"
    if half:
        hour = hour % 12 or 12
    said = _number(hour, "en")
    if minute:
        said += f" {'oh ' if minute < 10 else ''}{_number(minute, 'en')}"
    elif not half:
        said += " o'clock"
    return f"{said} {half[0]}.m." if half else said


def _en_date(month: int, day: int, year: str | None, written: str) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return written
    said = f"{_EN_MONTHS[month - 1]} {_ordinal(str(day))}"
    return f"{said}, {_year(int(year))}" if year else said


def _ordinal(digits: str) -> str:
    return num2words(int(digits), to="ordinal", lang="en")


def _en_fraction(match: re.Match[str]) -> str:
    return {"1/2": "half", "1/3": "a third", "1/4": "a quarter", "2/3": "two thirds", "3/4": "three quarters"}[match[1]]


_EN_MONTH = "|".join(_EN_MONTHS)


# ---- French


def _fr_hour(match: re.Match[str]) -> str:
    hour, minute = int(match["hour"]), int(match["minute"] or 0)
    if hour > 24 or minute > 59:
        return match.group()
    feminine = {1: "une", 21: "vingt et une"}.get(hour, _number(hour, "fr"))
    said = {0: "minuit", 12: "midi"}.get(hour, f"{feminine} {'heures' if hour > 1 else 'heure'}")
    return f"{said} {_number(minute, 'fr')}" if minute else said


def _fr_date(day: int, month: int, year: str | None, written: str) -> str:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return written
    said = f"{'premier' if day == 1 else _number(day, 'fr')} {_FR_MONTHS[month - 1]}"
    return f"{said} {_number(int(year), 'fr')}" if year else said


def _fr_ordinal(match: re.Match[str]) -> str:
    if match[1] == "1":
        return "premier" if match[2] == "er" else "première"
    return num2words(int(match[1]), to="ordinal", lang="fr")


def _rule(pattern: str, say: Callable[[re.Match[str]], str] | str, flags: int = 0) -> _Rule:
    return re.compile(pattern, flags), (say if callable(say) else lambda _: say)


_ISO_DATE = r"\b(\d{4})-(\d{2})-(\d{2})\b"
_SLASH_DATE = r"(?<![\d/])(\d{1,2})/(\d{1,2})(?:/(\d{4}))?(?![\d/])"

_RULES: dict[str, list[_Rule]] = {
    "en": [
        _rule(r"\b24/7\b", "twenty-four seven"),
        _rule(_ISO_DATE, lambda m: _en_date(int(m[2]), int(m[3]), m[1], m.group())),
        _rule(r"(?<![\d/])(1/[234]|2/3|3/4)(?![\d/])", _en_fraction),
        _rule(_SLASH_DATE, lambda m: _en_date(int(m[1]), int(m[2]), m[3], m.group())),
        (_PHONE, _phone("en")),
        _rule(r"(?<=[\dm.])\s?[–-]\s?(?=[$€£]?\d)(?<!\d-\d)", " to "),
        _rule(
            r"\b(?P<hour>\d{1,2}):(?P<minute>\d{2})(?!\d|:)(?:\s?(?P<half>[ap]\.?m\b\.?))?",
            _en_hour,
            re.IGNORECASE,
        ),
        _rule(r"\b(?P<hour>\d{1,2})(?P<minute>)\s?(?P<half>[ap]\.?m\b\.?)", _en_hour, re.IGNORECASE),
        _rule(rf"(?P<sign>[$€£])\s?(?P<amount>{_AMOUNT})(?![\d])", _money("en")),
        _rule(rf"\b(?P<amount>{_AMOUNT})\s?(?P<sign>[€£$])", _money("en")),
        _rule(_PER_CENT, lambda m: f"{_decimal(m[1], 'en')} percent"),
        _rule(
            rf"\b({_EN_MONTH}) (\d{{1,2}})(?:st|nd|rd|th)?\b", lambda m: f"{m[1]} {num2words(int(m[2]), to='ordinal')}"
        ),
        _rule(r"\b(\d{1,4})(?:st|nd|rd|th)\b", lambda m: num2words(int(m[1]), to="ordinal")),
        _rule(r"\b(\d+(?:\.\d+)?)\s?(min|mg|kg|ml|km)\b", _unit("en")),
        _rule(r"(?:\b[Nn]o\.\s?|#)(?=\d)", "number "),
        _rule(r"\b\d{1,3}(?:,\d{3})+(?:\.\d+)?\b", _thousands("en")),
        _rule(r"\b\d+\.\d+\b(?!\.\d)", lambda m: _decimal(m.group(), "en")),
        _rule(r"(?<=[^\W\d_])(?=\d)", " "),  # "A1"
        _rule(r"\d+", _integer("en")),
        _rule(r"(?<=\b[ap]\.m\.)\.", ""),  # one full stop closes both
        _rule(r"\bDr\.?(?=\s[A-Z])", "Doctor"),
        _rule(r"\bMr\.", "Mister"),
        _rule(r"\bMrs\.", "Missus"),
        _rule(r"\bMs\.", "Miz"),
        _rule(r"\s?&\s?", " and "),
        _rule(r"\b[A-Z]{2,4}\b(?!['’])", _acronym("en")),
    ],
    "fr": [
        _rule(r"\b24h?/24\b", "vingt-quatre heures sur vingt-quatre"),
        _rule(r"\b7j?/7\b", "sept jours sur sept"),
        _rule(_ISO_DATE, lambda m: _fr_date(int(m[3]), int(m[2]), m[1], m.group())),
        _rule(_SLASH_DATE, lambda m: _fr_date(int(m[1]), int(m[2]), m[3], m.group())),
        (_PHONE, _phone("fr")),
        _rule(r"(?<=[\dh])\s?[–-]\s?(?=\d)", " à "),
        _rule(r"\b(?P<hour>\d{1,2})(?::|[\s\u00a0\u202f]?h[\s\u00a0\u202f]?)(?P<minute>\d{2})(?![\d:])", _fr_hour),
        _rule(r"\b(?P<hour>\d{1,2})[\s\u00a0\u202f]?(?:h|heures?)\b(?P<minute>)", _fr_hour),
        _rule(rf"\b(?P<amount>{_MONTANT})[\s\u00a0\u202f]?(?P<sign>[€£$])", _money("fr")),
        _rule(rf"(?P<sign>[€£$])[\s\u00a0\u202f]?(?P<amount>{_MONTANT})", _money("fr")),
        _rule(_PER_CENT, lambda m: f"{_decimal(m[1], 'fr')} pour cent"),
        _rule(r"\b(\d{1,3})(er|re|ère|ères?|e|è|ème|eme)s?\b", _fr_ordinal),
        _rule(rf"\b1 (?={'|'.join(_FR_MONTHS)}\b)", "premier "),
        _rule(r"\b(\d+(?:,\d+)?)[\s\u00a0\u202f]?(min|mg|kg|ml|km)\b", _unit("fr")),
        _rule(r"\b[Nn][°º]\s?(?=\d|[a-z])", "numéro "),
        _rule(r"\b\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?:,\d+)?\b", _thousands("fr")),
        _rule(r"\b\d+[.,]\d+\b(?![.,]\d)", lambda m: _decimal(m.group(), "fr")),
        _rule(r"(?<=[^\W\d_])(?=\d)", " "),  # "A1"
        _rule(r"\d+", _integer("fr")),
        _rule(r"\bM\.(?=\s[A-ZÀ-Ý])", "Monsieur"),
        _rule(r"\bMme\b\.?", "Madame"),
        _rule(r"\bMlle\b\.?", "Mademoiselle"),
        _rule(r"\bDr\.?(?=\s[A-ZÀ-Ý])", "Docteur"),
        _rule(r"\bPr\.?(?=\s[A-ZÀ-Ý])", "Professeur"),
        _rule(r"\bRDV\b|\brdv\b", "rendez-vous"),
        _rule(r"\s?&\s?", " et "),
        _rule(r"(?<![A-ZÀ-Ý])[A-Z]{2,4}\b", _acronym("fr")),
    ],
}
