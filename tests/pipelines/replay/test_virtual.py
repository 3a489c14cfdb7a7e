"""Virtual time: a caller and scripted models, and everything between them worked out."""

from itertools import pairwise
from typing import get_args

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import actions as do
from pipelines import events as ev
from pipelines.errors import ModelError
from pipelines.replay.answers import _OF_AGENT, Latency, RecordedAgent, recorded_speech
from pipelines.replay.driver import replay
from pipelines.replay.dump import Dump, Step
from pipelines.replay.virtual import run
from tests.helpers.replay import SETTINGS, Counting, Scripted, answers, caller, meta

change = msgspec.structs.replace


def test_the_caller_is_heard_and_answered():
    agent = Scripted()
    call = run(caller(5, after_us=6_000_000), answers(agent))
    assert {"caller", "agent"} == {turn.party for turn in call.turns()}
    assert call.turns()[0].text == "Good morning, this is the practice. How can I help?"
    assert call.turns()[-1].heard == agent.text
    assert call.steps[-1].event == ev.CallEnded("caller")
    assert agent.remembered[-1].text == agent.text


def test_times_never_go_back_and_answers_follow_their_requests():
    call = run(caller(12), answers(latency=Latency(window=7_000, transcript=250_000)))
    assert all(one.at <= other.at for one, other in pairwise(call.steps))
    asked = {action.request: at for at, action in call.actions(do.Transcribe)}
    for at, event in call.events(ev.TranscriptReady):
        assert at - asked[event.request] >= 250_000
    windows = {action.first: at for at, action in call.actions(do.AnalyzeWindow)}
    assert all(at - windows[event.first] == 7_000 for at, event in call.events(ev.WindowAnalyzed))


def test_recognition_does_one_thing_at_a_time_finals_first():
    call = run(caller(), answers(latency=Latency(transcript=3_000_000)))
    asked = [action for _, action in call.actions(do.Transcribe)]
    answered = [(at, event.request) for at, event in call.events(ev.TranscriptReady)]
    assert all(other - one >= 3_000_000 for (one, _), (other, _) in pairwise(answered))
    final = {action.request: action.final for action in asked}
    order = [request for _, request in answered]
    assert [request for request in order if final[request]] == [action.request for action in asked if action.final]
    waited = [request for request in final if not final[request] and request not in order]
    overtaken = [one for one in order for other in order[: order.index(one)] if other > one]
    assert waited or overtaken  # a partial was replaced by a newer one, or stood back for a final
    assert not any(final[request] for request in overtaken)


def test_marks_return_when_played_or_when_cleared():
    call = run(caller(12), answers())
    sent = [action.name for _, action in call.actions(do.SendMark)]
    returned = [event for _, event in call.events(ev.MarkReturned)]
    assert {event.name for event in returned} <= set(sent)
    assert len(returned) >= len(sent) - 5
    cleared_at = {at for at, _ in call.actions(do.ClearMedia)}
    assert cleared_at
    assert {at for at, event in call.events(ev.MarkReturned) if event.cleared} <= cleared_at


@settings(max_examples=6, deadline=None)
@given(
    st.builds(
        Latency,
        window=st.integers(1_000, 60_000),
        transcript=st.integers(10_000, 2_000_000),
        sound=st.integers(1_000, 900_000),
    ),
    st.integers(0, 1_500_000),
)
def test_every_run_repeats_and_replays(latency, first_us):
    recording = caller(8)
    one, other = (run(recording, answers(Scripted(first_us=first_us), latency=latency)) for _ in range(2))
    assert one.steps == other.steps
    assert replay(one).same


def test_a_failing_model_is_an_event():
    class Deaf(Counting):
        def transcribe(self, audio, **_):
            raise ModelError("no")

    hearing = answers()
    hearing._speech_to_text = Deaf()
    call = run(caller(8), hearing)
    failures = [event.port for _, event in call.events(ev.ModelFailed)]
    assert failures.count("stt") >= SETTINGS.stt_attempts
    assert isinstance(call.steps[-1].event, ev.CallEnded)
    assert call.steps[-1].event.reason == "failed"


def test_a_voice_that_is_missing_is_an_event():
    call = run(caller(3), answers(speak=None))
    assert any(event.port == "tts" for _, event in call.events(ev.ModelFailed))


def test_a_caller_who_hung_up_hangs_up_again():
    recording = caller(3)
    steps = (*recording.steps, Step(3_010_000, ev.CallEnded("caller"), ()))
    call = run(change(recording, steps=steps), answers())
    assert call.steps[-1].at == 3_010_000


def test_an_ending_of_the_machine_is_decided_anew():
    recording = caller(3)
    steps = (*recording.steps, Step(3_010_000, ev.CallEnded("limit"), ()))
    assert run(change(recording, steps=steps), answers()).steps[-1].at > 3_500_000


def test_keys_are_pressed_again():
    recording = caller(3)
    steps = (*recording.steps[:100], Step(2_000_000, ev.DigitReceived("4"), ()), *recording.steps[100:])
    call = run(change(recording, steps=steps), answers())
    assert ("[keypad] 4") in [turn.text for turn in call.turns()]


def test_the_recorded_agent_says_what_it_said_to_the_likest_question():
    def asked(at, reply, text):
        return Step(at, ev.DeadlineReached("endpoint"), (do.StartReply(reply, text, "en"),))

    dump = Dump(
        meta(),
        (
            asked(1_000, 1, "what are your hours"),
            Step(2_000, ev.ReplyDelta(1, "From nine."), ()),
            asked(5_000, 2, "and where do I park"),
            Step(5_500, ev.ToolStarted(2, "map"), ()),
            Step(6_000, ev.ReplyDelta(2, "Behind the house."), ()),
            asked(8_000, 3, "cancelled before a word"),
        ),
    )
    agent = RecordedAgent(dump)
    park = list(agent.reply(do.StartReply(7, "where do I park", "en")))
    assert park == [(500, ev.ToolStarted(7, "map")), (1_000, ev.ReplyDelta(7, "Behind the house."))]
    assert list(agent.reply(do.StartReply(8, "where do I park", "en"))) == [(1_000, ev.ReplyDelta(8, "From nine."))]
    assert next(iter(agent.reply(do.StartReply(9, "where do I park", "en"))))[1] == ev.ToolStarted(9, "map")


def test_what_a_cancelled_reply_took_of_the_recording_is_there_again():
    first = Step(1_000, ev.DeadlineReached("endpoint"), (do.StartReply(1, "on Tuesday please", "en"),))
    other = Step(5_000, ev.DeadlineReached("endpoint"), (do.StartReply(2, "my name is Alice", "en"),))
    told = Step(2_000, ev.ReplyDelta(1, "At nine."), ()), Step(6_000, ev.ReplyDelta(2, "Booked."), ())
    agent = RecordedAgent(Dump(meta(), (first, told[0], other, told[1])))
    cut_short = agent.reply(do.StartReply(3, "please", "en"))
    next(cut_short)
    cut_short.close()
    assert list(agent.reply(do.StartReply(4, "on Tuesday please", "en"))) == [(1_000, ev.ReplyDelta(4, "At nine."))]


def test_every_event_of_an_agent_is_said_again():
    of_a_reply = {event for event in get_args(ev.AnyEvent) if "reply" in event.__struct_fields__}
    assert set(_OF_AGENT) == of_a_reply - {ev.SpeechSynthesized, ev.ModelFailed}


def test_a_cancelled_reply_is_not_asked_for_more():
    closed = []

    class Rambling(Scripted):
        def reply(self, action):
            said = 0
            try:
                for took, event in Scripted.reply(self, action):
                    yield took, event
                    said += 1
            except GeneratorExit:
                closed.append(said)
                raise

    agent = Rambling("I could go on about that for ever. " * 40, first_us=100_000)
    call = run(caller(), answers(agent))
    assert any(True for _ in call.actions(do.CancelReply))
    assert closed
    assert all(said < 320 for said in closed)
    for at, action in call.actions(do.CancelReply):
        assert not any(event.reply == action.reply for late, event in call.events(ev.ReplyDelta) if late > at)


def test_progress_is_told_in_call_time():
    told = []
    call = run(caller(2), answers(), progress=told.append)
    assert told == [step.at for step in call.steps]


def test_recorded_speech_is_spoken_again():
    call = run(caller(5), answers())
    spoken = recorded_speech(call)
    greeting = SETTINGS.phrases["en"].greeting
    assert any(greeting.startswith(text) for text in spoken)
    again = run(call, answers(RecordedAgent(call), speak=None, spoken=spoken))
    assert [turn.heard for turn in again.turns()] == [turn.heard for turn in call.turns()]


def test_real_time_is_measured_where_a_clock_is_given():
    ticks = iter(np.arange(0, 10**9, 40_000))
    call = run(caller(2), answers(clock=lambda: int(next(ticks))))
    windows = {action.first: at for at, action in call.actions(do.AnalyzeWindow)}
    assert {at - windows[event.first] for at, event in call.events(ev.WindowAnalyzed)} == {40_000}
