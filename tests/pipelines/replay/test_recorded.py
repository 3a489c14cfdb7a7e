"""A recording that answers for the models: to the letter where it knows, and counted where it guesses."""

import msgspec
import pytest

from pipelines import actions as do
from pipelines import events as ev
from pipelines.errors import ConfigError, ModelError
from pipelines.replay.dump import Dump, Step, read_dump
from pipelines.replay.policy import changed
from pipelines.replay.recorded import RecordedAnswers
from pipelines.replay.virtual import run
from pipelines.turns.policy import CallSettings
from tests.golden.behaviours import BEHAVIOURS, FOLDER
from tests.helpers.replay import meta


def recording(*spans: tuple[int, int, bool, str | None]) -> RecordedAnswers:
    """(first, last, final, text) of what was recognised, one a second; None: it failed."""
    steps = []
    for n, (first, last, final, text) in enumerate(spans):
        steps.append(Step(n * 1_000_000, ev.DeadlineReached("x"), (do.Transcribe(n, first, last, final),)))
        answer = ev.TranscriptReady(n, text, "en") if text is not None else ev.ModelFailed("stt", n, "broken")
        steps.append(Step(n * 1_000_000 + 300_000, answer, ()))
    return RecordedAnswers(Dump(meta(), tuple(steps)))


def heard(answers: RecordedAnswers, first: int, last: int, final: bool = True) -> str:
    return answers.transcribe(do.Transcribe(9, first, last, final), None)[1].text


def test_a_stretch_that_was_recognised_has_its_words_and_its_time():
    answers = recording((0, 16_000, False, "I want"), (0, 40_000, True, "I want to book a slot."))
    assert heard(answers, 0, 16_000, final=False) == "I want"
    assert heard(answers, 0, 40_000) == "I want to book a slot."
    assert answers.transcribe(do.Transcribe(9, 0, 40_400, True), None)[0] == 300_000
    assert answers.guessed == {}


def test_a_longer_turn_has_the_words_of_those_it_is_made_of():
    answers = recording((0, 16_000, True, "Je voudrais"), (24_000, 48_000, True, "un rendez-vous."))
    assert heard(answers, 0, 48_000) == "Je voudrais un rendez-vous."
    assert answers.guessed == {"words": 1}


def test_a_turn_that_begins_later_has_the_words_that_are_left():
    answers = recording((0, 16_000, True, "I want to book."), (0, 48_000, True, "I want to book a slot."))
    assert heard(answers, 24_000, 48_000) == "slot." or heard(answers, 24_000, 48_000) == "a slot."


def test_where_nothing_was_said_there_are_no_words():
    answers = recording((0, 16_000, True, "Hello."))
    assert heard(answers, 160_000, 200_000) == ""


def test_a_recogniser_that_failed_fails_again():
    answers = recording((0, 16_000, True, None))
    with pytest.raises(ModelError):
        heard(answers, 0, 16_000)


def test_speech_that_was_never_spoken_lasts_as_long_as_this_voice_would_take():
    dump = read_dump(FOLDER / "answer")
    answers = RecordedAnswers(dump)
    asked = next(action for _, action in dump.actions(do.Synthesize))
    known = sum(len(audio) for _, audio in answers.synthesize(asked))
    assert answers.guessed == {}
    ((_, audio),) = answers.synthesize(do.Synthesize(9, 0, asked.text[::-1], "en"))
    assert 0.5 * known < len(audio) < 2 * known
    assert answers.guessed == {"speech": 1}


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_with_the_recorded_settings_a_call_comes_out_as_recorded(name: str):
    """Up to the recording's end: the run has a caller who stays on."""
    dump = read_dump(FOLDER / name)
    now = run(dump, RecordedAnswers(dump))
    until = dump.steps[-1].at
    assert [turn for at, turn in taken(now) if at <= until] == [turn for _, turn in taken(dump)]


def taken(dump: Dump) -> list[tuple[int, tuple]]:
    return [(at, (a.turn.party, a.turn.text, a.turn.heard)) for at, a in dump.actions(do.TurnTaken)]


# ---- settings by name


def test_a_setting_is_changed_by_its_name_in_any_unit():
    settings = changed(
        CallSettings(), ["endpoint_ms=200", "monologue_s=5", "speculate=false", "speech_on=0.6", "lead_us=80000"]
    )
    assert settings == msgspec.structs.replace(
        CallSettings(), endpoint_us=200_000, monologue_us=5_000_000, speculate=False, speech_on=0.6, lead_us=80_000
    )


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        ("endpoint_ms", "such as endpoint_ms=200"),
        ("endpoints_ms=2", "Choose one of .*endpoint_us"),
        ("endpoint_ms=soon", "a time"),
        ("endpoint_ms=-1", "a time"),
        ("speculate=perhaps", "bool"),
        ("phrases=x", "Choose one of"),
    ],
)
def test_what_is_no_setting_is_said_with_its_mend(assignment: str, said: str):
    with pytest.raises(ConfigError, match=said):
        changed(CallSettings(), [assignment])
