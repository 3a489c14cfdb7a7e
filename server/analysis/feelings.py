"""Emotion and sentiment of a recorded call whose server had no models for them: asked afterwards, turn by turn."""

from collections.abc import Sequence

import msgspec

from pipelines.analysis.analysis import Analysis, Felt, Reading, SpokenTurn
from pipelines.models.ports import Audio, EmotionRecognizer, SentimentAnalyzer
from pipelines.replay.dump import Dump
from pipelines.turns.asked import is_keyed
from pipelines.units import SAMPLE_RATE
from server.observe.listen import caller_audio

_BEFORE_S, _AFTER_S = 0.3, 0.13
"""Audio around the words, as a call gives it to its models."""
_SHORTEST_S = 0.8  # with that; in less no feeling can be heard


def with_feelings(
    analysis: Analysis, dump: Dump, emotion: EmotionRecognizer | None, sentiment: SentimentAnalyzer | None
) -> Analysis:
    """The analysis with what the models say of the caller's turns; what the call itself was told stays. Raises ModelError as they do."""
    turns = analysis.turns
    felt = analysis.emotions
    if emotion is not None and not felt:
        turns, felt = _felt(turns, caller_audio(dump), emotion)
    if sentiment is not None and not any(turn.sentiment for turn in turns):
        turns = tuple(_read(turn, sentiment) for turn in turns)
    return msgspec.structs.replace(analysis, turns=turns, emotions=felt)


def _felt(
    turns: Sequence[SpokenTurn], audio: Audio, emotion: EmotionRecognizer
) -> tuple[tuple[SpokenTurn, ...], tuple[Felt, ...]]:
    told: list[SpokenTurn] = []
    felt: list[Felt] = []
    for turn in turns:
        first = max(0, round((turn.start - _BEFORE_S) * SAMPLE_RATE))
        heard = audio[first : round((turn.end + _AFTER_S) * SAMPLE_RATE)]
        if _speaks(turn) and len(heard) >= _SHORTEST_S * SAMPLE_RATE:
            reading = _likeliest(emotion.recognize(heard))
            felt.append(Felt(turn.start, turn.end, reading.label, reading.p))
            turn = msgspec.structs.replace(turn, emotion=reading)
        told.append(turn)
    return tuple(told), tuple(felt)


def _read(turn: SpokenTurn, sentiment: SentimentAnalyzer) -> SpokenTurn:
    if not _speaks(turn):
        return turn
    return msgspec.structs.replace(turn, sentiment=_likeliest(sentiment.analyze(turn.text, turn.language)))


def _speaks(turn: SpokenTurn) -> bool:
    return turn.party == "caller" and bool(turn.text.strip()) and not is_keyed(turn.text)


def _likeliest(probabilities: dict[str, float]) -> Reading:
    label, p = max(probabilities.items(), key=lambda item: item[1])
    return Reading(label, round(p, 3))
