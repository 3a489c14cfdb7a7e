"""Who is followed, and what becomes of words that another says."""

import msgspec
import numpy as np
import pytest

from pipelines import actions as do
from pipelines import events as ev
from pipelines.replay.driver import replay
from pipelines.turns.policy import CallSettings
from pipelines.turns.voices import Voices
from tests.helpers.analysis import recorded
from tests.helpers.bench import SETTINGS, Bench


def voice(degrees: float) -> bytes:
    """A voice so far from the caller's, who is at 0: the cosine is that of the angle."""
    angle = np.deg2rad(degrees)
    return np.array([np.cos(angle), np.sin(angle)], "<f2").tobytes()


CALLER, LIKE_HIM, BETWEEN, OTHER = voice(0), voice(30), voice(66), voice(90)


def heard(voices: Voices, *spoken: tuple[bytes, float]) -> list[bool]:
    return [bool(voices.heard(ev.VoiceHeard(n, sound), seconds)) for n, (sound, seconds) in enumerate(spoken)]


def test_who_speaks_first_is_the_caller():
    assert heard(Voices(CallSettings()), (OTHER, 3.0), (OTHER, 1.0), (CALLER, 1.0)) == [False, False, True]


def test_nobody_is_left_out_before_the_callers_voice_is_known():
    assert heard(Voices(CallSettings()), (CALLER, 1.0), (OTHER, 1.0)) == [False, False]
    assert heard(Voices(CallSettings()), (CALLER, 2.9), (CALLER, 0.2), (OTHER, 1.0)) == [False, False, True]


def test_a_doubtful_voice_is_the_callers_and_teaches_nothing():
    voices = Voices(CallSettings())
    assert heard(voices, (CALLER, 4.0), *[(BETWEEN, 10.0)] * 5, (OTHER, 1.0)) == [False] * 6 + [True]


def test_a_caller_whose_voice_changes_is_followed():
    voices = Voices(CallSettings())
    assert heard(voices, (CALLER, 4.0), (LIKE_HIM, 8.0), (voice(75), 1.0)) == [False, False, False]
    assert heard(Voices(CallSettings()), (CALLER, 4.0), (voice(75), 1.0)) == [False, True]


@pytest.mark.parametrize("delay", [20_000, 220_000], ids=["before the words", "after them"])
def test_another_voice_is_not_answered(delay):
    settings = msgspec.structs.replace(SETTINGS, follow=True)
    words = ("I would like an appointment, please.", "Who ate my sandwich?")
    run = Bench(settings, speech=((2.5, 6.5), (13.0, 14.5)), words=words)
    run.voice, run.voice_delay = lambda second: CALLER if second < 10 else OTHER, delay
    run.run(20)
    asked = [a.text for _, _, actions in run.log for a in actions if isinstance(a, do.StartReply)]
    said = [(turn.party, turn.speaker, turn.text) for turn in run.turns if turn.party != "agent"]
    facts = [a.fact for _, _, actions in run.log for a in actions if isinstance(a, do.Observed)]
    assert words[0] in asked
    assert said == [("caller", "", words[0]), ("other", "other 1", words[1])]
    assert "other_voice" in facts
    started = [a for _, _, actions in run.log for a in actions if isinstance(a, do.StartReply)]
    committed = [a.reply for _, _, actions in run.log for a in actions if isinstance(a, do.CommitReply)]
    assert all(a.text == words[0] for a in started if not a.speculative or a.reply in committed)


def test_without_follow_everybody_is_answered():
    run = Bench(SETTINGS, speech=((2.5, 6.5),), words=("I would like an appointment, please.",))
    run.voice = lambda second: OTHER
    run.run(10)
    assert not [a for _, _, actions in run.log for a in actions if isinstance(a, do.Perceive)]


def test_two_others_are_told_apart():
    voices = Voices(CallSettings())
    third = np.array([0, 0, 1], "<f2").tobytes()
    first, second = (np.array(xyz, "<f2").tobytes() for xyz in ((1, 0, 0), (0, 1, 0)))
    said = [(first, 3.0), (second, 1.0), (third, 1.0), (second, 1.0), (first, 1.0)]
    assert [voices.heard(ev.VoiceHeard(n, sound), s) for n, (sound, s) in enumerate(said)] == [
        "",
        "other 1",
        "other 2",
        "other 1",
        "",
    ]


def test_words_of_another_do_not_grow_twice_in_the_transcript():
    settings = msgspec.structs.replace(SETTINGS, follow=True)
    words = ("I would like an appointment, please.", "Who ate", "Who ate my sandwich?")
    run = Bench(settings, speech=((2.5, 6.5), (13.0, 14.5), (14.75, 15.5)), words=words)
    run.voice = lambda second: CALLER if second < 10 else OTHER
    run.run(20)
    others = [turn for turn in run.turns if turn.party == "other"]
    assert [turn.text for turn in others] == ["Who ate my sandwich?"]
    assert others[0].start == pytest.approx(13.0, abs=0.1)
    assert others[0].end == pytest.approx(15.5, abs=0.1)


# ---- known from earlier calls

ANNE = ev.CallerKnown("Anne", 0.91, 0.82)
KNOWING = msgspec.structs.replace(SETTINGS, identify=True)


def looks(voices: Voices, *spoken: tuple[bytes, float]) -> list[int]:
    """After how many stretches of speech it was asked who he is."""
    found = []
    for n, (sound, seconds) in enumerate(spoken, 1):
        voices.heard(ev.VoiceHeard(n, sound), seconds)
        found += [n] * len(voices.look())
    return found


def test_the_caller_is_looked_for_three_times_with_more_of_his_voice():
    assert looks(Voices(CallSettings(identify=True)), *[(CALLER, 1.0)] * 30) == [3, 6, 12]
    assert looks(Voices(CallSettings(identify=True)), (CALLER, 20.0), (CALLER, 20.0)) == [1]
    assert looks(Voices(CallSettings(identify=True)), (CALLER, 4.0), *[(OTHER, 1.0)] * 30) == [1]
    assert looks(Voices(CallSettings()), *[(CALLER, 1.0)] * 30) == []


def test_what_is_asked_about_is_the_callers_voice_alone():
    voices = Voices(CallSettings(identify=True))
    for sound, seconds in ((CALLER, 4.0), (OTHER, 4.0), (LIKE_HIM, 4.0)):
        voices.heard(ev.VoiceHeard(0, sound), seconds)
    (action,) = voices.look()
    asked = np.frombuffer(action.voice, "<f2").astype(np.float32)
    expected = sum(np.frombuffer(sound, "<f2").astype(np.float32) for sound in (CALLER, LIKE_HIM))
    assert asked == pytest.approx(expected / np.linalg.norm(expected), abs=1e-3)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_agent_is_told_once_who_is_known(language):
    words = (("I would like an appointment, please.", language, 0.99), ("On Friday, please.", language, 0.99))
    run = Bench(KNOWING, speech=((2.5, 6.5), (13.0, 17.0), (24.0, 29.0)), words=words)
    run.voice = lambda second: CALLER
    run.known = lambda voice: ANNE
    run.run(34)
    assert run.of(do.Notice) == [do.Notice("known_caller", "Anne", 0.91, 0.82)]
    assert run.facts.count("known_caller") == 1
    said = [(turn.speaker, turn.text) for turn in run.turns if turn.party == "caller"]
    assert said[1][0] == "Anne"
    assert "other_voice" not in run.facts


def test_somebody_whom_nobody_knows_is_looked_for_again_and_then_no_more():
    run = Bench(KNOWING, speech=((2.5, 6.5), (13.0, 17.0), (24.0, 29.0), (34.0, 39.0)))
    run.voice = lambda second: CALLER
    run.run(44)
    assert len(run.of(do.Identify)) == 3
    assert run.of(do.Notice) == []
    assert {turn.speaker for turn in run.turns} == {""}


def test_who_is_not_followed_is_not_left_out():
    run = Bench(KNOWING, speech=((2.5, 6.5), (13.0, 14.5)), words=("I would like an appointment.", "Who is it?"))
    run.voice = lambda second: CALLER if second < 10 else OTHER
    run.run(20)
    assert [turn.text for turn in run.turns if turn.party == "caller"] == ["I would like an appointment.", "Who is it?"]


def test_a_known_caller_replays_from_his_dump_and_nobody_else_is_in_it():
    run = Bench(KNOWING, speech=((2.5, 6.5),))
    run.voice, run.known = (lambda second: CALLER), (lambda voice: ANNE)
    run.run(10)
    dump = recorded(run)
    assert replay(dump).same
    kept = b"".join(msgspec.json.encode(event) for _, event, _ in run.log)
    assert kept.count(b"CallerKnown") == 1
