"""Who of several on the caller's line said each of his turns, for a recorded call that did not tell voices apart: asked afterwards, by the rule by
which a call does it (`pipelines.turns.voices`)."""

import msgspec

from pipelines.analysis.analysis import Analysis, SpokenTurn
from pipelines.analysis.speakers import CALLER, speaking
from pipelines.events import VoiceHeard
from pipelines.models.ports import Audio, SpeakerEncoder
from pipelines.replay.dump import Dump
from pipelines.turns.asked import is_keyed
from pipelines.turns.policy import CallSettings
from pipelines.turns.voices import Voices
from pipelines.units import SAMPLE_RATE
from server.observe.listen import caller_audio

_BEFORE_S, _AFTER_S = 0.32, 0.13
"""Audio around the words, as a call gives it to its models."""
_SHORTEST_S = 0.8  # with that; in less no voice can be told


def with_speakers(analysis: Analysis, dump: Dump, encoder: SpeakerEncoder, settings: CallSettings) -> Analysis:
    """The analysis with a speaker for each turn of the caller; what the call itself told stays. A turn too short to tell is the caller's. `settings`:
    with the encoder's thresholds. Raises ModelError as the encoder does."""
    if analysis.speakers:
        return analysis
    audio, voices = caller_audio(dump), Voices(settings)
    heard = {n: said for n, turn in enumerate(analysis.turns) if (said := _voice(n, turn, audio, encoder)) is not None}
    for event, seconds in heard.values():
        voices.heard(event, seconds)
    # And again, now that all that he said has taught what he sounds like: a call must decide by his first words.
    told = {n: voices.heard(event, seconds) for n, (event, seconds) in heard.items()}
    turns = tuple(
        msgspec.structs.replace(turn, speaker=told.get(n) or CALLER) if turn.party == "caller" else turn
        for n, turn in enumerate(analysis.turns)
    )
    return msgspec.structs.replace(analysis, turns=turns, speakers=speaking(turns))


def _voice(number: int, turn: SpokenTurn, audio: Audio, encoder: SpeakerEncoder) -> tuple[VoiceHeard, float] | None:
    """The voice in a turn of the caller, and how many seconds of it there are."""
    if turn.party != "caller" or is_keyed(turn.text):
        return None
    first = max(round((turn.start - _BEFORE_S) * SAMPLE_RATE), 0)
    heard = audio[first : round((turn.end + _AFTER_S) * SAMPLE_RATE)]
    seconds = len(heard) / SAMPLE_RATE
    if seconds < _SHORTEST_S:
        return None
    return VoiceHeard(number, encoder.embed(heard).astype("<f2").tobytes()), seconds
