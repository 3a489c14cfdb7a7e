from pipelines import actions as do
from pipelines import events as ev
from pipelines.audio.inbound import Inbound
from pipelines.frames import AudioFormat
from pipelines.turns.barge_in import Overlap
from pipelines.turns.hearing import Hearing
from pipelines.turns.overlap import SpeechOver
from pipelines.turns.policy import CallSettings
from pipelines.turns.speaking import Speaking
from tests.helpers.bench import PHRASES

_WORDS = "We are open from nine to five on weekdays."
_MS = 1_000


class _Both:
    """An agent in the middle of its words, and a caller who began over it 2 s into the call."""

    def __init__(self) -> None:
        given = CallSettings(phrases=PHRASES, judge_overlaps=True)
        self.hearing, self.speaking, self.over = Hearing(given), Speaking(given, AudioFormat()), SpeechOver(given)
        inbound = Inbound(AudioFormat())
        reply = self.speaking.begin(0, "en", produced=True)
        self.speaking.delta(0, ev.ReplyDelta(reply.number, _WORDS))
        self.speaking.synthesized(0, ev.SpeechSynthesized(reply.number, 0, b"\x10" * 40_000, True))
        for at in range(0, 2_000 * _MS, 20 * _MS):
            self.speaking.pump(at)
        self.hearing.begin(32_000, 2_000 * _MS, 2_064 * _MS)
        self.asked = self.over.begin(2_064 * _MS, 32_000, 33_024, inbound, self.hearing, self.speaking)

    def judged(self, p: float) -> list[do.Action]:
        return self.over.judged(2_100 * _MS, ev.OverlapJudged(33_024, p), self.hearing, self.speaking)

    def weigh(self) -> tuple[Overlap | None, list[do.Action]]:
        return self.over.weigh(2_300 * _MS, 0, self.hearing, self.speaking)


def test_as_he_begins_his_words_and_his_sound_are_asked_for_at_once():
    both = _Both()
    assert both.over.undecided
    assert {do.JudgeOverlap, do.Transcribe} <= {type(action) for action in both.asked}


def test_the_agent_is_held_by_a_sound_and_goes_on_after_a_murmur():
    both = _Both()
    assert do.ClearMedia() in both.judged(0.99)
    assert both.speaking.held_at is not None
    actions = both.judged(0.1)
    assert both.speaking.held_at is None
    assert any(isinstance(action, do.SendMedia) for action in actions)
    assert both.over.undecided


def test_a_word_that_stops_people_decides_it():
    both = _Both()
    assert both.weigh() == (None, [do.SetDeadline("overlap", 3_064 * _MS)])
    both.hearing.partial = "Wait"
    kind, _ = both.weigh()
    assert kind is Overlap.INTERRUPTION
    assert not both.over.undecided
    assert both.judged(0.99) == []
