"""Who is followed, and what becomes of words that another says."""

import msgspec
import numpy as np
import pytest

from pipelines import actions as do
from pipelines import events as ev
from pipelines.turns.policy import CallSettings
from pipelines.turns.voices import Voices
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
