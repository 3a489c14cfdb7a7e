"""A turn that follows another: what of the audio is recognised with it."""

import pytest

from pipelines import actions as do
from pipelines.events import TranscriptReady
from pipelines.turns.hearing import Hearing
from pipelines.turns.policy import CallSettings
from pipelines.units import SAMPLE_RATE, SECOND


def _says(hearing: Hearing, start: float, end: float, words: str) -> do.Transcribe:
    """He speaks from `start` to `end`, in seconds; the final that is asked for."""
    hearing.begin(round(start * SAMPLE_RATE), round(start * SECOND), round(start * SECOND))
    last = round(end * SAMPLE_RATE)
    asked, *_ = hearing.pause(last, round(end * SECOND), last + SAMPLE_RATE)
    hearing.transcribed(TranscriptReady(asked.request, words, "en"))
    return asked


def _taken(end: float = 2.0, words: str = "Then set the unit.", **settings) -> tuple[Hearing, do.Transcribe]:
    hearing = Hearing(CallSettings(**settings))
    asked = _says(hearing, 1.0, end, words)
    hearing.take(round(end * SECOND))
    return hearing, asked


def test_the_sound_of_a_turn_that_was_answered_is_not_heard_with_the_next() -> None:
    hearing, first = _taken()
    assert _says(hearing, 2.4, 3.0, "He who repeated poetry.").first == first.last


def test_a_joined_turn_is_recognised_with_the_end_of_the_one_before() -> None:
    hearing, first = _taken()
    _says(hearing, 2.8, 3.5, "He who repeated.")
    [again] = hearing.join("Then set the unit.")
    assert (again.first, again.final) == (first.first, True)
    assert again.last > 3.5 * SAMPLE_RATE
    assert not hearing.known
    hearing.transcribed(TranscriptReady(again.request, "Then said the eunuch, he who repeated.", "en"))
    assert hearing.text == "Then said the eunuch, he who repeated."
    assert hearing.said == "he who repeated."


def test_words_that_were_known_are_not_lost_to_a_noise_that_was_joined() -> None:
    hearing, _ = _taken()
    _says(hearing, 2.8, 3.5, "Hm.")
    [again] = hearing.join("Then set the unit.")
    hearing.transcribed(TranscriptReady(again.request, "", "en"))
    assert (hearing.text, hearing.said) == ("Then set the unit.", "")


def test_a_caller_who_is_still_speaking_is_asked_about_once_he_pauses() -> None:
    hearing, first = _taken()
    hearing.begin(round(2.8 * SAMPLE_RATE), round(2.8 * SECOND), round(2.8 * SECOND))
    assert hearing.join("Then set the unit.") == []
    [asked] = hearing.pause(round(3.5 * SAMPLE_RATE), round(3.5 * SECOND), 4 * SAMPLE_RATE)
    assert asked.first == first.first


def test_a_turn_that_was_joined_is_joined_once_more() -> None:
    hearing, first = _taken()
    _says(hearing, 2.8, 3.5, "He who.")
    [again] = hearing.join("Then set the unit.")
    hearing.transcribed(TranscriptReady(again.request, "Then said the eunuch, he who", "en"))
    hearing.take(4 * SECOND)
    _says(hearing, 4.4, 5.0, "Repeated.")
    [third] = hearing.join("Then said the eunuch, he who")
    assert third.first == first.first


@pytest.mark.parametrize(
    ("end", "before", "settings"),
    [
        (2.0, "[keypad] 12", {}),  # another turn is gone on with than the last one that was spoken
        (11.6, "Then set the unit.", {}),  # nearly as long as a segment may be
        (2.0, "Then set the unit.", {"follow": True}),
    ],
)
def test_otherwise_its_words_are_added(end, before, settings) -> None:
    hearing, _ = _taken(end, **settings)
    _says(hearing, end + 0.5, end + 1.0, "He who repeated.")
    assert hearing.join(before) == []
    assert hearing.text == f"{before} He who repeated."
    assert hearing.said == "He who repeated."
