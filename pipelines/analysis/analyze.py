"""From a dump to an analysis: pure, the same for the same dump."""

from collections.abc import Iterator, Sequence
from itertools import chain

import numpy as np

from pipelines.actions import Appraise, Observed, SendDigits, Turn, TurnTaken
from pipelines.analysis.analysis import Analysis, Felt, Gaps, Key, Reading, SpokenTurn, Talk, Voice
from pipelines.analysis.exchange import interruptions, overlaps, silences, tools
from pipelines.analysis.speakers import known_caller, label, speaking
from pipelines.analysis.voices import Span, Voices, voices
from pipelines.events import CallEnded, DigitReceived, EmotionHeard, SentimentRead
from pipelines.replay.dump import Dump
from pipelines.turns.asked import is_keyed
from pipelines.units import to_seconds

_BEFORE_S, _AFTER_S = 0.6, 0.3  # a stretch of speech is asked about with what was before and after its words


def analyze(dump: Dump) -> Analysis:
    """All that the dump itself tells of the call. `findings` are for who has a language model."""
    heard = voices(dump)
    felt = tuple(_felt(dump, heard))
    turns = tuple(_turns(dump, felt))
    ended = next((event.reason for _, event in dump.events(CallEnded)), "")
    return Analysis(
        call_id=dump.meta.call_id,
        carrier=dump.meta.carrier,
        agent=dump.meta.agent,
        started=dump.meta.started,
        seconds=to_seconds(dump.duration_us),
        complete=dump.complete,
        outcome=ended,
        answered=_answered(dump),
        turns=turns,
        emotions=felt,
        talk=_talk(turns, heard),
        voices={"caller": _shown(heard.caller), "agent": _shown(heard.agent)},
        music=_shown(heard.music),
        overlaps=tuple(overlaps(dump, heard)),
        silences=tuple(silences(dump, heard)),
        interruptions=tuple(interruptions(dump)),
        gaps=gaps([turn.gap for turn in turns if turn.gap is not None]),
        keys=tuple(_keys(dump)),
        tools=tuple(tools(dump)),
        speakers=speaking(turns),
        known_caller=known_caller(dump),
    )


def _shown(spans: Sequence[Span]) -> tuple[Voice, ...]:
    return tuple(Voice(to_seconds(span.start), to_seconds(span.end)) for span in spans)


def gaps(seconds: Sequence[float]) -> Gaps:
    """Of response gaps. The 95th percentile is a straight line between the two next to it."""
    if not seconds:
        return Gaps(0)
    middle, high = (round(float(q), 3) for q in np.percentile(seconds, (50, 95)))
    return Gaps(len(seconds), middle, high, max(seconds))


def _answered(dump: Dump) -> str:
    """The last word on who answered: a machine may turn out to be a menu."""
    facts = [a.fact for _, a in dump.actions(Observed) if a.fact.startswith("answered_")]
    return facts[-1].removeprefix("answered_") if facts else ""


def _keys(dump: Dump) -> Iterator[Key]:
    found = chain(
        ((at, "caller", event.digit) for at, event in dump.events(DigitReceived)),
        ((at, "agent", action.digits) for at, action in dump.actions(SendDigits)),
    )
    for at, party, keys in sorted(found, key=lambda key: key[0]):
        for key in keys:
            yield Key(to_seconds(at), party, key)


def _talk(turns: Sequence[SpokenTurn], heard: Voices) -> dict[str, Talk]:
    spoken = {
        party: sum(span.length for span in spans) for party, spans in (("caller", heard.caller), ("agent", heard.agent))
    }
    whole = sum(spoken.values()) or 1
    talk = {}
    for party, us in spoken.items():
        own = [turn for turn in turns if turn.party == party]
        words = sum(len(turn.heard.split()) for turn in own if not is_keyed(turn.text))
        talk[party] = Talk(to_seconds(us), round(us / whole, 3), len(own), words)
    return talk


# ---- feeling


def _felt(dump: Dump, heard: Voices) -> list[Felt]:
    """What each stretch of speech sounded like; one that went on was heard again, as a whole."""
    stretches: dict[int, Felt] = {}
    for _, event in dump.events(EmotionHeard):
        if event.request in heard.perceived:
            first, span = heard.perceived[event.request]
            stretches[first] = Felt(to_seconds(span.start), to_seconds(span.end), event.label, round(event.p, 3))
    return sorted(stretches.values(), key=lambda felt: felt.start)


def _turns(dump: Dump, felt: Sequence[Felt]) -> list[SpokenTurn]:
    """Turns by their beginnings: the transcript has them as they ended."""
    read = {event.turn: Reading(event.label, round(event.p, 3)) for _, event in dump.events(SentimentRead)}
    left = list(felt)
    taken: list[SpokenTurn] = []
    for step in dump.steps:
        appraised = next((action.turn for action in step.actions if isinstance(action, Appraise)), -1)
        for action in step.actions:
            if not isinstance(action, TurnTaken):
                continue
            caller = action.turn.party == "caller"
            own = [] if action.turn.party == "agent" else [one for one in left if _belongs(one, action.turn)]
            left = [one for one in left if one not in own]
            speaker = label(dump, action.turn.party, action.turn.speaker)
            taken.append(_spoken(action.turn, speaker, overall(own), read.get(appraised) if caller else None))
    return sorted(taken, key=lambda turn: turn.start)


def _spoken(turn: Turn, speaker: str, emotion: Reading | None, sentiment: Reading | None) -> SpokenTurn:
    return SpokenTurn(
        party=turn.party,
        start=turn.start,
        end=turn.end,
        text=turn.text,
        heard=turn.heard,
        language=turn.language,
        speaker=speaker,
        gap=turn.gap,
        interrupted=turn.interrupted,
        emotion=emotion,
        sentiment=sentiment,
    )


def _belongs(felt: Felt, turn: Turn) -> bool:
    middle = (felt.start + felt.end) / 2
    return turn.start - _BEFORE_S <= middle <= turn.end + _AFTER_S


def overall(felt: Sequence[Felt]) -> Reading | None:
    """Of a turn in several stretches: the label with most time and certainty; its probability over its own time."""
    if not felt:
        return None
    weights: dict[str, float] = {}
    times: dict[str, float] = {}
    for one in felt:
        length = max(one.end - one.start, 0.001)
        weights[one.label] = weights.get(one.label, 0.0) + one.p * length
        times[one.label] = times.get(one.label, 0.0) + length
    label = max(weights, key=lambda name: weights[name])
    return Reading(label, round(weights[label] / times[label], 3))
