"""Holding a conversation against what was expected of it. Pure but for reading the agent's database."""

import re
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from server.simulate.suite import Claim, Expected, Row, Scenario, Suite, Use, dated

_LONGEST_SHOWN = 120
_UNSPEAKABLE = re.compile(r"[*#`{}\[\]<>|_]|\n")
_WORDS = {
    "fr": re.compile(r"\b(le|la|les|vous|je|est|pour|à|un|une|votre|nous|de|au|merci|quel|quelle|bien|du)\b", re.I),
    "en": re.compile(r"\b(the|you|is|are|for|to|a|an|your|we|what|which|of|and|thank|thanks|have|i)\b", re.I),
}
"""Small words by which a sentence's language is told; other languages are not judged."""


class ToolUse(msgspec.Struct, frozen=True):
    """A tool the agent called. `arguments`: as it wrote them, decoded where they are JSON."""

    tool: str
    arguments: dict[str, Any] = {}


class Exchange(msgspec.Struct, frozen=True):
    """What the caller said, and all the agent did about it. `first_s`, `total_s`: seconds to its first event, and to its last."""

    said: str
    answer: str
    tools: tuple[ToolUse, ...] = ()
    hung_up: bool = False
    transferred: bool = False
    first_s: float = 0.0
    total_s: float = 0.0


class Verdict(msgspec.Struct, frozen=True):
    """One rule. `kind`: which, for counting; `rule`: in words; `why`: what was there instead, "" when it was kept."""

    kind: str
    rule: str
    passed: bool
    why: str = ""


class Judge:
    """The rules of one scenario, for one run of it."""

    def __init__(self, suite: Suite, scenario: Scenario, database: Path | None, today: date) -> None:
        self._suite, self._scenario = suite, scenario
        self._database, self._today = database, today

    def of_answer(self, number: int, exchange: Exchange) -> list[Verdict]:
        """To be asked as soon as the answer is there: it looks at the database as it is now. `number`: the caller's turn, from 0."""
        verdicts = [self._language(exchange.answer), self._speakable(exchange.answer)]
        verdicts += [verdict for claim in self._suite.claim if (verdict := self._claim(claim, exchange)) is not None]
        if number < len(self._scenario.turn):
            verdicts += self._expected(self._scenario.turn[number], [exchange])
        return [msgspec.structs.replace(verdict, rule=f"turn {number + 1}: {verdict.rule}") for verdict in verdicts]

    def of_call(self, exchanges: Sequence[Exchange]) -> list[Verdict]:
        """Once it is over."""
        verdicts = self._expected(self._scenario, exchanges)
        over = len(exchanges) <= self._scenario.most_turns
        verdicts.append(_verdict("turns", f"at most {self._scenario.most_turns} turns", over, f"{len(exchanges)}"))
        if missed := self._scenario.turn[len(exchanges) :]:
            verdicts.append(
                Verdict("turns", "every line was said", False, f"the agent ended the call {len(missed)} lines early")
            )
        return verdicts

    def _expected(self, wanted: Expected, exchanges: Sequence[Exchange]) -> list[Verdict]:
        words = " ".join(exchange.answer for exchange in exchanges)
        used = [use for exchange in exchanges for use in exchange.tools]
        names = [use.tool for use in used]
        verdicts = [self._called(use if isinstance(use, Use) else Use(tool=use), used) for use in wanted.calls]
        for name in wanted.never_calls:
            free = not names if name == "*" else name not in names
            verdicts.append(_verdict("calls", f"calls no {'tool' if name == '*' else name}", free, ", ".join(names)))
        for pattern in wanted.says:
            found = self._find(pattern, words)
            verdicts.append(_verdict("says", f"says {pattern}", found, words))
        for pattern in wanted.never_says:
            verdicts.append(_verdict("says", f"never says {pattern}", not self._find(pattern, words), words))
        for what, flag, wish in (
            ("hangs up", any(e.hung_up for e in exchanges), wanted.hangs_up),
            ("transfers", any(e.transferred for e in exchanges), wanted.transfers),
        ):
            if wish is not None:
                verdicts.append(
                    _verdict("ends", what if wish else f"{what} not", flag == wish, ", ".join(names) or words)
                )
        return [*verdicts, *map(self._row, wanted.rows)]

    def _called(self, wanted: Use, used: Sequence[ToolUse]) -> Verdict:
        arguments = "".join(f" {key}={pattern}" for key, pattern in wanted.arguments.items())
        fits = any(
            use.tool == wanted.tool
            and all(self._find(pattern, str(use.arguments.get(key, ""))) for key, pattern in wanted.arguments.items())
            for use in used
        )
        shown = ", ".join(f"{use.tool}{use.arguments or ''}" for use in used) or "no tool"
        return _verdict("calls", f"calls {wanted.tool}{arguments}", fits, shown)

    def _row(self, wanted: Row) -> Verdict:
        count = self._count(wanted.query)
        most = wanted.most if wanted.most is not None else count
        return _verdict("rows", f"row: {wanted.query}", wanted.least <= count <= most, f"{count} rows")

    def _claim(self, claim: Claim, exchange: Exchange) -> Verdict | None:
        if not self._find(claim.says, exchange.answer):
            return None
        true = self._count(claim.row) > 0 if claim.row else claim.tool in [use.tool for use in exchange.tools]
        return _verdict("claims", f"{claim.says} is said when it is so", true, exchange.answer)

    def _language(self, answer: str) -> Verdict:
        own = self._scenario.language
        counts = {language: len(pattern.findall(answer)) for language, pattern in _WORDS.items()}
        other = max((count for language, count in counts.items() if language != own), default=0)
        return _verdict("language", f"speaks {own}", own not in counts or other <= counts[own], answer)

    def _speakable(self, answer: str) -> Verdict:
        fit = bool(answer) and not _UNSPEAKABLE.search(answer) and len(answer) <= self._suite.longest
        return _verdict("speakable", "can be spoken", fit, answer or "said nothing")

    def _find(self, pattern: str, text: str) -> bool:
        return bool(re.search(dated(pattern, self._today), text, re.I))

    def _count(self, query: str) -> int:
        if self._database is None or not self._database.exists():
            return 0
        with closing(sqlite3.connect(f"{self._database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return len(connection.execute(dated(query, self._today)).fetchall())


def _verdict(kind: str, rule: str, passed: bool, why: str) -> Verdict:
    return Verdict(kind, rule, passed, "" if passed else why[:_LONGEST_SHOWN])


def kept(verdicts: Sequence[Verdict]) -> Iterator[tuple[str, int, int]]:
    """(kind, rules that were kept, rules), in order of kinds."""
    kinds = sorted({verdict.kind for verdict in verdicts})
    for kind in kinds:
        own = [verdict for verdict in verdicts if verdict.kind == kind]
        yield kind, sum(verdict.passed for verdict in own), len(own)


class Run(msgspec.Struct, frozen=True):
    """One run of a scenario, from 0. `fault`: what kept it from being played to its end."""

    scenario: str
    language: str
    run: int
    greeting: str
    exchanges: tuple[Exchange, ...]
    verdicts: tuple[Verdict, ...]
    fault: str = ""

    @property
    def passed(self) -> bool:
        """Every rule was kept."""
        return not self.fault and all(verdict.passed for verdict in self.verdicts)
