"""When the agent is told how the caller feels, and that it is told in time."""

import msgspec

from pipelines import actions as do
from pipelines import events as ev
from pipelines.turns.asked import Asked
from pipelines.turns.feeling import Feeling
from pipelines.turns.policy import CallSettings
from tests.helpers.bench import SETTINGS, Bench

SURE = {"angry": 0.8, "happy": 0.7}


def told(feeling: Feeling, *heard: tuple[str, float]) -> list[str]:
    return [a.value for n, (label, p) in enumerate(heard) for a in feeling.heard(ev.EmotionHeard(n, label, p))]


def test_an_emotion_is_told_once_and_again_after_another():
    feeling = Feeling(CallSettings(emotion_sure=SURE))
    assert told(feeling, ("angry", 0.9), ("angry", 0.95)) == ["angry"]
    assert told(feeling, ("neutral", 0.9), ("angry", 0.85)) == ["angry"]
    assert told(feeling, ("happy", 0.9), ("angry", 0.85)) == ["happy", "angry"]


def test_a_doubtful_emotion_is_none():
    feeling = Feeling(CallSettings(emotion_sure=SURE))
    assert told(feeling, ("angry", 0.79)) == []
    assert told(feeling, ("angry", 0.8), ("neutral", 0.4), ("angry", 0.9)) == ["angry"]


def test_what_nobody_set_a_limit_for_is_not_told():
    assert told(Feeling(CallSettings()), ("angry", 1.0)) == []
    assert told(Feeling(CallSettings(emotion_sure=SURE)), ("bored", 1.0)) == []


def test_sentiment_is_asked_of_words_and_not_of_keys():
    feeling = Feeling(CallSettings(appraise=True))
    said = Asked("Too late.", "Too late.", "en", 0, 1, 1)
    assert feeling.turn_taken(said) == [do.Appraise(0, "Too late.", "en")]
    assert feeling.turn_taken(Asked.keyed(0, "12", "en")) == []
    assert feeling.turn_taken(said) == [do.Appraise(2, "Too late.", "en")]
    assert Feeling(CallSettings()).turn_taken(said) == []


def bench(**changed) -> Bench:
    settings = msgspec.structs.replace(SETTINGS, feel=True, appraise=True, emotion_sure=SURE, **changed)
    bench = Bench(settings, speech=((2.5, 4.0),), words=("I have been waiting for an hour.",))
    bench.emotion = ("angry", 0.9)
    return bench


def place(bench: Bench, *kinds: type) -> list[type]:
    return [type(action) for _, _, actions in bench.log for action in actions if isinstance(action, kinds)]


def test_the_agent_knows_before_it_answers():
    run = bench().run(8)
    assert place(run, do.Notice, do.StartReply)[:2] == [do.Notice, do.StartReply]
    asked = [a for _, _, actions in run.log for a in actions if isinstance(a, do.Perceive | do.Transcribe)]
    final = next(a for a in asked if isinstance(a, do.Transcribe) and a.final)
    felt = next(a for a in asked if isinstance(a, do.Perceive))
    assert (felt.request, felt.first, felt.last) == (final.request, final.first, final.last)
    assert do.Appraise in place(run, do.Appraise)


def test_a_late_feeling_changes_nothing_but_the_next_answer():
    late, none = bench(), bench()
    late.emotion_delay, none.emotion = 3_000_000, None
    late.run(8), none.run(8)
    others = [
        [type(action) for _, _, actions in run.log for action in actions if not isinstance(action, do.Notice)]
        for run in (late, none)
    ]
    assert others[0] == others[1]
    assert place(late, do.Notice, do.StartReply)[-1] is do.Notice


def test_failures_of_such_models_are_no_matter_of_the_caller():
    run = bench().run(5)
    before = len(run.log)
    run.post(5.1, ev.ModelFailed("emotion", 1, "timeout"))
    run.post(5.2, ev.ModelFailed("sentiment", 0, "timeout"))
    run.run(8)
    facts = [a.fact for _, _, actions in run.log[before:] for a in actions if isinstance(a, do.Observed)]
    assert "emotion_failed" in facts
    assert "apology" not in facts


def test_nothing_is_asked_where_nobody_wants_to_know():
    run = Bench(SETTINGS, speech=((2.5, 4.0),)).run(8)
    assert place(run, do.Perceive, do.Appraise, do.Notice) == []


def test_a_short_word_has_no_feeling():
    settings = msgspec.structs.replace(SETTINGS, feel=True)
    run = Bench(settings, speech=((2.5, 2.7),), words=("No.",)).run(6)
    assert place(run, do.Perceive) == []
