"""What came of a scripted call: its turns with their gaps in the caller's ear, and everything that was not as it should
be."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import msgspec

from pipelines.actions import Turn
from server.caller.conversation import Acted, Conversation, Said
from server.caller.script import HangUp, Interrupt, Listen, Row
from server.caller.words import misheard, plain

_NEAR_S = 0.4  # by which a turn's times in the dump and on the line may differ


class HeardTurn(msgspec.Struct, frozen=True):
    """A turn of the dump; `ear_gap`: the response gap as measured in the caller's ear, in seconds, beside the server's
    own `gap`."""

    party: str
    text: str
    heard: str
    start: float
    end: float
    gap: float | None
    ear_gap: float | None
    parts: dict[str, float]
    interrupted: bool


class Report(msgspec.Struct, frozen=True):
    """The whole call. `errors`: word error rate of the caller's words; `yields`: seconds from the start of each
    interruption until the agent was silent (None: it went on); `failures`: one line for each thing that was not as it
    should be; `lateness`: the most, in seconds, by which a frame of the caller's own left late, which says how busy
    this machine was; `files`: what was left behind."""

    title: str
    turns: list[HeardTurn]
    errors: float
    yields: list[float | None]
    failures: list[str]
    lateness: float = 0.0
    files: dict[str, str] = {}


def heard_turn(turn: Turn, conversation: Conversation) -> HeardTurn:
    """A turn of the server's, with the gap as the caller heard it."""
    ear_gap = None
    if turn.party == "agent" and turn.gap is not None:
        ear_gap = conversation.gap(int((turn.start + _NEAR_S) * 1e6))
    seconds = None if ear_gap is None else ear_gap / 1e6
    return HeardTurn(
        turn.party, turn.text, turn.heard, turn.start, turn.end, turn.gap, seconds, dict(turn.parts), turn.interrupted
    )


def judge(conversation: Conversation, turns: Sequence[Turn], unmet: Sequence[str] = ()) -> Report:
    """Hold a finished call against its script. `turns`: its transcript; `unmet`: what is lacking elsewhere, as
    `Ledger.unmet` says it."""
    script, line = conversation.script, conversation.line
    errors = _word_errors(conversation, turns)
    failures = list(_faults(conversation, turns))
    if errors > script.errors:
        failures.append(f"heard: {errors:.0%} of the caller's words were wrong, {script.errors:.0%} may be")
    failures += unmet
    yields = [
        None if acted.yielded is None else acted.yielded / 1e6
        for acted in conversation.acted
        if _interrupts(conversation, acted.step)
    ]
    return Report(
        script.title,
        [heard_turn(turn, conversation) for turn in turns],
        round(errors, 4),
        yields,
        failures,
        line.lateness / 1e6,
    )


def _interrupts(conversation: Conversation, step: int) -> bool:
    return isinstance(conversation.script.step[step], Interrupt)


def _of(said: Said, turns: Sequence[Turn]) -> list[Turn]:
    return [
        turn
        for turn in turns
        if turn.party == "caller" and turn.start < said.end / 1e6 + _NEAR_S and turn.end > said.start / 1e6 - _NEAR_S
    ]


def _word_errors(conversation: Conversation, turns: Sequence[Turn]) -> float:
    language = conversation.script.language
    said = [word for one in conversation.said for word in plain(one.clip.text, language)]
    heard = [word for turn in turns if turn.party == "caller" for word in plain(turn.text, language)]
    return misheard(said, heard) / max(len(said), 1)


def _answer(acted: Acted, turns: Sequence[Turn]) -> str:
    start, end = acted.start / 1e6 - _NEAR_S, acted.end / 1e6
    return " ".join(turn.text for turn in turns if turn.party == "agent" and start <= turn.start < end)


def _faults(conversation: Conversation, turns: Sequence[Turn]) -> Iterator[str]:
    script, line = conversation.script, conversation.line
    for acted in conversation.acted:
        step = script.step[acted.step]
        name = f"step {acted.step + 1}"
        if acted.fault:
            yield f"{name}: {acted.fault}"
        elif isinstance(step, Listen):
            words = _answer(acted, turns)
            lacking = [wanted for wanted in step.says if not any(word in words.lower() for word in wanted.split("|"))]
            if lacking:
                yield f"{name}: answered: the agent was to say {' and '.join(lacking)}, and said {words!r}"
            elif not words:
                yield f"{name}: answered: the agent had only a filler to say"
        elif isinstance(step, Interrupt) and acted.yielded is None:
            yield f"{name}: yielded: the agent went on speaking over the caller"
        elif isinstance(step, Interrupt) and acted.yielded > step.yields * 1e6:
            yield f"{name}: yielded: silent after {acted.yielded / 1e6:.2f} s only, {step.yields:g} s is allowed"
        elif isinstance(step, Interrupt) and not any(
            turn.interrupted and turn.start < acted.end / 1e6 and turn.end > acted.start / 1e6 for turn in turns
        ):
            yield f"{name}: yielded: the transcript knows of no interruption"
    for said in conversation.said:
        if not _of(said, turns):
            yield f"step {said.step + 1}: heard: nothing of {said.clip.text!r}"
    skipped = [step for step in script.step[len(conversation.acted) :] if not isinstance(step, HangUp)]
    if skipped:
        yield f"the call ended {len(skipped)} steps early"
    for complaint in line.complaints:
        yield f"wire: the server sent what the carrier does not take: {complaint}"


class Ledger:
    """The agent's database before and after a call: whether the call left in it what the script says."""

    def __init__(self, database: Path, rows: Sequence[Row]) -> None:
        self._database, self._rows = database, rows
        self._before = [self._count(row) for row in rows]

    def unmet(self) -> list[str]:
        """One line for each row that has not come since."""
        return [
            f"done: the call left no {row.what} in {self._database}"
            for row, before in zip(self._rows, self._before, strict=True)
            if self._count(row) <= before
        ]

    def _count(self, row: Row) -> int:
        if not self._database.exists():
            return 0
        with closing(sqlite3.connect(f"{self._database.resolve().as_uri()}?mode=ro", uri=True)) as connection:
            return len(connection.execute(row.query).fetchall())
