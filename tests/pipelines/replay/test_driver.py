"""A recorded call comes out the same, and what was changed is found where it was changed."""

import msgspec
import pytest

from pipelines.actions import Observed, SendMedia
from pipelines.call import Call
from pipelines.replay.diff import describe, first_difference, side_by_side
from pipelines.replay.driver import replay
from pipelines.replay.dump import Dump, Step
from pipelines.replay.virtual import run
from tests.helpers.replay import answers, caller, meta, two_parties

change = msgspec.structs.replace


@pytest.fixture(scope="module")
def recorded() -> Dump:
    return run(caller(), answers())


def test_a_call_replays_to_the_same_decisions(recorded):
    outcome = replay(recorded)
    assert outcome.same
    assert outcome.steps == len(recorded.steps)
    assert outcome.actions == sum(len(step.actions) for step in recorded.steps) > 1_000


def test_another_policy_is_found_at_its_first_decision(recorded):
    settings = change(recorded.meta.settings, endpoint_us=recorded.meta.settings.endpoint_us + 100_000)
    divergence = replay(change(recorded, meta=change(recorded.meta, settings=settings))).divergence
    assert divergence.expected[divergence.action].name == "endpoint"
    assert divergence.got[divergence.action].at - divergence.expected[divergence.action].at == 100_000
    text = describe(divergence)
    assert "recorded" in text
    assert "now" in text
    assert "bytes" in text  # audio is told by its size
    assert len(divergence.before) == 4


@pytest.mark.parametrize("index", [0, 1, 200])
def test_a_changed_action_is_named(recorded, index):
    steps = list(recorded.steps)
    place = [place for place, step in enumerate(steps) if step.actions][index]
    steps[place] = change(steps[place], actions=(*steps[place].actions, Observed("never")), line=77)
    divergence = replay(change(recorded, steps=tuple(steps))).divergence
    assert (divergence.step, divergence.line, divergence.at) == (place, 77, steps[place].at)
    assert divergence.action == len(steps[place].actions) - 1
    assert "Observed(fact='never', value=0.0)" in describe(divergence)
    assert "nothing" in describe(divergence)


def test_the_last_step_of_a_cut_recording_may_lack_actions(recorded):
    place = max(place for place, step in enumerate(recorded.steps) if len(step.actions) > 1)
    last = recorded.steps[place]
    steps = (*recorded.steps[:place], change(last, actions=last.actions[:1]))
    assert replay(Dump(recorded.meta, steps, complete=False)).same
    assert not replay(Dump(recorded.meta, steps, complete=True)).same


def test_a_machine_that_raises_is_reported_with_its_step(recorded):
    class Broken(Call):
        def receive(self, at, event):
            if at > 1_000_000:
                raise ZeroDivisionError("by zero")
            return super().receive(at, event)

    divergence = replay(recorded, Broken).divergence
    assert divergence.at > 1_000_000
    assert "ZeroDivisionError: by zero" in describe(divergence)


def test_first_difference():
    one, other = SendMedia(b"1"), SendMedia(b"2")
    assert first_difference([], []) is None
    assert first_difference([one, other], [one, other]) is None
    assert first_difference([one, other], [one]) == 1
    assert first_difference([one], [one, other]) == 1
    assert first_difference([other, one], [one, one]) == 0


def test_transcripts_side_by_side():
    turns = two_parties().turns()
    later = [change(turn, start=turn.start + 0.3, end=turn.end + 0.3) for turn in turns]
    assert side_by_side(turns, later) == list(zip(turns, later, strict=True))
    assert side_by_side(turns[:1], later[1:2]) == [(turns[0], None), (None, later[1])]
    caller_turn = change(turns[0], party="caller")
    assert side_by_side(turns[:1], [caller_turn]) == [(turns[0], None), (None, caller_turn)]
    pairs = side_by_side(turns, [*later[:1], *later[2:]])
    assert pairs[1] == (turns[1], None)
    assert [right for _, right in pairs if right] == [*later[:1], *later[2:]]


def test_an_empty_recording_is_no_difference():
    assert replay(Dump(meta(), (), complete=False)).same
    assert replay(Dump(meta(), (Step(0, two_parties().steps[0].event, ()),), complete=False)).same
