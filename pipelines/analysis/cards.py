"""Payment card numbers taken out of a recording, spoken or keyed, in words and in sound; the recording stays one that replays.

What takes a digit's place is a 0, a letter's an x, a sound's silence of its length: the machine decides by how long things are and where they stand, so that the call goes
as it went. The actions are those of the machine on the changed events, so that events and actions agree with each other.

A card number is 12 to 19 digits of which the last is right (Luhn's check digit, ISO/IEC 7812), said or keyed in one turn or in turns one after another. What the recogniser
got so wrong that the digit is not right is not found. Keys that a carrier lets sound in the audio stay in it.
"""

from collections.abc import Callable, Iterator, Sequence

import msgspec

from pipelines import actions as do
from pipelines import events as ev
from pipelines.analysis.redaction import Run, numbers
from pipelines.audio.inbound import Inbound
from pipelines.call import WINDOW, Call
from pipelines.replay.dump import Dump, Step
from pipelines.turns.asked import is_keyed
from pipelines.units import MS

CARDS = "cards"
"""What a redacted dump's `redacted` names."""

_SHORTEST, _LONGEST = 12, 19
_EDGE_US = 300 * MS
_OTHER_WORDS = 3  # beside digits, in a turn that is part of a number
_PART = 4  # digits that tell a card by themselves: its end is read back to callers


def has_card(texts: Sequence[str]) -> bool:
    """Whether texts that were said one after another hold a card number."""
    return bool(_secrets(texts))


def without_cards(dump: Dump) -> Dump:
    """The same call without card numbers; the same dump where there are none."""
    said = [turn.text for turn in dump.turns() if turn.party == "caller"]
    told = [event.arguments for _, event in dump.events(ev.ToolStarted)] + list(_replies(dump).values())
    secrets = _secrets(said) | {secret for text in told for secret in _secrets([text])}
    if not secrets:
        return dump
    events = list(_events(dump, secrets))
    call = Call(dump.meta.settings)
    steps = tuple(
        Step(step.at, event, tuple(call.receive(step.at, event)), step.line)
        for step, event in zip(dump.steps, events, strict=True)
    )
    meta = msgspec.structs.replace(dump.meta, redacted=(*dump.meta.redacted, CARDS))
    return Dump(meta, steps, dump.complete)


# ---- finding


def _secrets(texts: Sequence[str]) -> set[str]:
    """Digits of every number that holds a card's: in one text, or in texts one after another that say nothing else."""
    found: set[str] = set()
    joined = ""
    for text in texts:
        own = text.removeprefix("[keypad] ")
        runs = numbers(own)
        found |= {run.digits for run in runs if _holds_card(run.digits)}
        digits = "".join(run.digits for run in runs)
        others = len(own.split()) - sum(len(own[run.start : run.end].split()) for run in runs)
        joined = joined + digits if digits and others <= _OTHER_WORDS else ""
        if _holds_card(joined):
            found.add(joined)
    return found


def _holds_card(digits: str) -> bool:
    return any(
        _is_card(digits[first : first + length])
        for length in range(_SHORTEST, min(_LONGEST, len(digits)) + 1)
        for first in range(len(digits) - length + 1)
    )


def _is_card(digits: str) -> bool:
    if not digits.strip("0"):
        return False
    doubled = (int(digit) * (1 + n % 2) for n, digit in enumerate(reversed(digits)))
    return sum(value - 9 * (value > 9) for value in doubled) % 10 == 0


def _told(run: Run, secrets: set[str]) -> bool:
    return any(len(run.digits) >= _PART and (run.digits in secret or secret in run.digits) for secret in secrets)


def _masked(text: str, secrets: set[str], any_number: bool = False) -> str:
    """Of the same length. `any_number`: a guess at a card's digits may have them wrong."""
    for run in numbers(text):
        if any_number or _told(run, secrets):
            hidden = "".join("0" if c.isdecimal() else "x" if c.isalpha() else c for c in text[run.start : run.end])
            text = text[: run.start] + hidden + text[run.end :]
    return text


# ---- taking out


def _events(dump: Dump, secrets: set[str]) -> Iterator[ev.Event]:
    """Every event of the dump, without them."""
    spans = _spoken(dump, secrets)
    quiet = _quiet(dump, spans)
    requests = {
        action.request
        for _, action in dump.actions(do.Transcribe)
        if any(action.first < last and first < action.last for first, last in spans)
    }
    chunks = {(a.reply, a.chunk) for _, a in dump.actions(do.Synthesize) if _masked(a.text, secrets) != a.text}
    keys = _keys(dump, secrets)
    deltas = _deltas(dump, secrets)
    inbound, outbound = dump.meta.inbound, dump.meta.outbound
    for n, step in enumerate(dump.steps):
        event = step.event
        if isinstance(event, ev.MediaReceived):
            silent = any(first <= step.at <= last for first, last in quiet)
            yield _change(event, payload=inbound.silence(len(event.payload))) if silent else event
        elif isinstance(event, ev.TranscriptReady):
            yield _change(event, text=_masked(event.text, secrets, event.request in requests))
        elif isinstance(event, ev.DigitReceived):
            yield _change(event, digit="0") if n in keys else event
        elif isinstance(event, ev.ReplyDelta):
            yield _change(event, text=deltas[n])
        elif isinstance(event, ev.ToolStarted):
            yield _change(event, arguments=_masked(event.arguments, secrets))
        elif isinstance(event, ev.ToolFinished):
            yield _change(event, output=_masked(event.output, secrets))
        elif isinstance(event, ev.SpeechSynthesized) and (event.reply, event.chunk) in chunks:
            yield _change(event, audio=outbound.silence(len(event.audio)))
        else:
            yield event


_change: Callable[..., ev.Event] = msgspec.structs.replace


def _spoken(dump: Dump, secrets: set[str]) -> list[tuple[int, int]]:
    """Media samples in which they were recognised."""
    asked = {action.request: (action.first, action.last) for _, action in dump.actions(do.Transcribe)}
    return [
        asked[event.request]
        for _, event in dump.events(ev.TranscriptReady)
        if event.request in asked and any(_told(run, secrets) for run in numbers(event.text))
    ]


def _quiet(dump: Dump, spans: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """When the packets came that hold them, call time."""
    inbound = Inbound(dump.meta.inbound, WINDOW)
    for at, event in dump.events(ev.MediaReceived):
        inbound.receive(at, event)
    return [(inbound.said_at(first) - _EDGE_US, inbound.said_at(last) + _EDGE_US) for first, last in spans]


def _keys(dump: Dump, secrets: set[str]) -> set[int]:
    """Steps at which a key of them was pressed: of those that were keyed as one, or in all."""
    pressed = [(n, step.event.digit) for n, step in enumerate(dump.steps) if isinstance(step.event, ev.DigitReceived)]
    digits = [(n, key) for n, key in pressed if key.isdecimal()]
    row = "".join(key for _, key in digits)
    keyed = "".join(turn.text for turn in dump.turns() if is_keyed(turn.text))
    found: set[int] = set()
    for secret in secrets if keyed or _holds_card(row) else ():
        first = row.find(secret)
        if first >= 0:
            found |= {n for n, _ in digits[first : first + len(secret)]}
    return found


def _replies(dump: Dump) -> dict[int, str]:
    """The agent's words, by reply."""
    texts: dict[int, str] = {}
    for _, event in dump.events(ev.ReplyDelta):
        texts[event.reply] = texts.get(event.reply, "") + event.text
    return texts


def _deltas(dump: Dump, secrets: set[str]) -> dict[int, str]:
    """By step, each piece of a reply without them: they may be spread over many."""
    texts = {reply: _masked(text, secrets) for reply, text in _replies(dump).items()}
    at: dict[int, int] = {}
    pieces: dict[int, str] = {}
    for n, step in enumerate(dump.steps):
        if isinstance(step.event, ev.ReplyDelta):
            event = step.event
            first = at.get(event.reply, 0)
            at[event.reply] = first + len(event.text)
            pieces[n] = texts[event.reply][first : at[event.reply]]
    return pieces
