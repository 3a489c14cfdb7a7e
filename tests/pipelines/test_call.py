"""The turn machine on the bench: what a caller would notice, and what must hold for any order of events."""

import itertools

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import actions as do
from pipelines import events as ev
from pipelines.audio.g711 import encode
from pipelines.frames import Encoding
from pipelines.units import PTIME_US
from tests.helpers.bench import EXCUSE, MUSIC, PHRASES, SETTINGS, Bench


def test_the_greeting_is_spoken_and_the_question_answered() -> None:
    bench = Bench(speech=((3.0, 4.5),)).run(10)
    parties = [(t.party, t.heard) for t in bench.turns]
    assert parties[0] == ("agent", "Hello, this is the surgery.")
    assert parties[1] == ("caller", "What are your hours?")
    assert parties[2][0] == "agent"
    assert parties[2][1].startswith("We are open")
    answer = bench.turns[2]
    assert answer.gap is not None
    assert abs(sum(answer.parts.values()) - answer.gap) < 0.002
    assert 0.4 < answer.gap < 1.0


def test_a_pause_does_not_end_the_turn() -> None:
    bench = Bench(speech=((3.0, 4.0), (4.3, 5.5)), words=("I would like to", "I would like to book a slot.")).run(10)
    callers = [t.text for t in bench.turns if t.party == "caller"]
    assert callers == ["I would like to book a slot."]


def test_an_unfinished_sentence_is_waited_for_longer() -> None:
    done = Bench(speech=((3.0, 4.0),), words=("Tomorrow morning.",)).run(9)
    going_on = Bench(speech=((3.0, 4.0),), words=("Tomorrow morning and",)).run(9)
    assert going_on.when(do.StartReply)[0] - done.when(do.StartReply)[0] > 0.5


def test_an_interruption_silences_cancels_and_cuts_memory() -> None:
    bench = Bench(speech=((3.0, 4.0), (6.0, 8.0))).run(12)
    assert "barge_in" in bench.facts
    cleared = bench.when(do.ClearMedia)[0]
    assert 6.0 < cleared < 6.4
    cut = next(t for t in bench.turns if t.interrupted)
    assert cut.text.startswith(cut.heard)
    assert 0 < len(cut.heard) < len(cut.text)
    assert do.Remember(1, cut.heard) in bench.of(do.Remember)


def test_at_the_first_word_of_an_interruption_the_agent_holds_its_breath() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 7.0)), words=("What are your hours?", "Wait, and on Friday?")).run(9)
    silent = bench.when(do.ClearMedia)[0]
    assert silent < 5.5 + 0.1 + bench.stt_delay / 1e6 + 0.02  # voice activity, one look, a packet
    assert [f for f in bench.facts if f in ("hold", "gone_on", "barge_in")] == ["hold", "barge_in"]
    told = next(o.value for o in bench.of(do.Observed) if o.fact == "barge_in")
    assert abs(told - (silent - 5.5)) < 0.05  # the caller has silence from the hold on
    assert "Wait, and on Friday?" in [turn.text for turn in bench.turns]


def test_two_words_heard_twice_hold_the_breath_whatever_they_are() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 7.0)), words=("What are your hours?", "My number is five."))
    bench.partials = ["What are", "", "My number", "My notes", "My number", "My number is", "My number is five"]
    bench.run(9)
    assert [f for f in bench.facts if f in ("hold", "barge_in")] == ["hold", "barge_in"]
    known = [at / 1e6 for at, a in bench.actions if a == do.CaptionUpdated("My number", "is", "en")]
    assert bench.when(do.ClearMedia)[0] == known[0]


def test_over_the_agent_a_look_begins_as_soon_as_the_last_one_is_told() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 6.6)), words=("What are your hours?", "Okay."))
    bench.partials = ["What are", *["Okay"] * 20]
    bench.run(9)
    looks = [at for at, a in bench.actions if isinstance(a, do.Transcribe) and not a.final and 5.5e6 < at < 6.6e6]
    assert len(looks) > 3
    assert {b - a for a, b in itertools.pairwise(looks)} == {bench.stt_delay}


def test_an_agent_that_held_its_breath_for_a_murmur_goes_on_where_it_was() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 6.1)), words=("What are your hours?", "Okay."))
    bench.partials = ["What are", "Where", "Okay"]
    bench.run(12)
    quiet = Bench(speech=((3.0, 4.0),)).run(12)
    assert [f for f in bench.facts if f in ("hold", "gone_on", "barge_in", "backchannel")] == [
        "hold",
        "gone_on",
        "backchannel",
    ]
    silent = bench.when(do.ClearMedia)[0]
    again = next(at for at in bench.when(do.SendMedia) if at > silent)
    assert again - silent < 0.3
    assert [(t.text, t.heard) for t in bench.turns if t.party == "agent"] == [
        (t.text, t.heard) for t in quiet.turns if t.party == "agent"
    ]
    assert (
        len(bench.of(do.SendMedia)) - len(quiet.of(do.SendMedia)) <= SETTINGS.lead_us // PTIME_US
    )  # some were sent twice


def test_what_stops_speech_over_the_agent_ends_a_hold_too() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 5.9)), words=("What are your hours?", ""))
    bench.partials = ["What are", "Where", ""]
    bench.run(12)
    assert [f for f in bench.facts if f in ("hold", "gone_on")] == ["hold", "gone_on"]
    held = next(o.value for o in bench.of(do.Observed) if o.fact == "gone_on")
    assert 0 < held < 1
    assert not any(t.interrupted for t in bench.turns)


def test_a_hum_that_is_heard_again_in_the_silence_after_it_does_not_agree_with_itself() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 5.7)), words=("What are your hours?", "Bum hem."))
    bench.partials = ["What are", "Mom", "Bum hem", "Bum hem", "Bum hem"]
    bench.run(9)
    looks = [a for at, a in bench.actions if isinstance(a, do.Transcribe) and not a.final and at > 5_000_000]
    assert len(looks) >= 2  # one of them in the silence
    assert "backchannel" in bench.facts
    assert "barge_in" not in bench.facts


def test_the_breath_is_held_once_in_a_contest() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 6.3)), words=("What are your hours?", "Okay."))
    bench.partials = ["What are", "Where", "Okay", "Where", "Okay", "Where"]
    bench.run(12)
    assert bench.facts.count("hold") == 1


_BY_SOUND = msgspec.structs.replace(SETTINGS, judge_overlaps=True)


def test_the_sound_of_an_interruption_silences_the_agent_before_there_is_a_word() -> None:
    bench = Bench(
        _BY_SOUND, speech=((3.0, 4.0), (5.5, 7.0)), words=("What are your hours?", "Tuesday would be better.")
    )
    bench.p_interruption = [0.2, 0.95]
    bench.run(9)
    silent = bench.when(do.ClearMedia)[0]
    assert silent < 5.5 + 0.1 + 0.032 + 0.03  # voice activity, the second question, a packet
    assert [f for f in bench.facts if f in ("hold", "gone_on", "barge_in")] == ["hold", "barge_in"]


def test_what_sounded_like_an_interruption_and_is_a_murmur_is_gone_on_after() -> None:
    bench = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 6.1)), words=("What are your hours?", "Okay."))
    bench.partials = ["What are", "", "Okay"]
    bench.p_interruption = [0.95, 0.95, 0.95]
    bench.run(12)
    assert [f for f in bench.facts if f in ("hold", "gone_on", "barge_in", "backchannel")] == [
        "hold",
        "gone_on",
        "backchannel",
    ]
    assert not any(t.interrupted for t in bench.turns)


def test_what_sounds_like_a_murmur_after_all_is_gone_on_after_without_a_word() -> None:
    bench = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 6.1)), words=("What are your hours?", "Mm."))
    bench.partials = ["What are", "", "", ""]
    bench.p_interruption = [0.95] * 2 + [0.1] * 20
    bench.run(12)
    facts = [f for f in bench.facts if f in ("hold", "gone_on", "barge_in", "backchannel")]
    assert facts == ["hold", "gone_on", "backchannel"]
    held, on = (next(at for at, a in bench.actions if isinstance(a, do.Observed) and a.fact == f) for f in facts[:2])
    assert on - held < 100_000


@pytest.mark.parametrize(("p", "stops"), [(0.1, False), (0.5, True), (0.7, True)])
def test_one_word_of_what_sounds_like_a_murmur_stops_nothing(p: float, stops: bool) -> None:
    """A recogniser makes "wait" of a grunt."""
    bench = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 6.1)), words=("What are your hours?", "Wait."))
    bench.partials = ["What are", "Wait.", "When"]
    bench.p_interruption = [p] * 20
    bench.run(12)
    assert bool(bench.of(do.ClearMedia)) is stops
    assert ("barge_in" in bench.facts) is stops
    assert ("hold" in bench.facts) is (p > 0.6)  # what sounds like neither waits for more of the word


def test_two_words_of_what_sounds_like_a_murmur_do_not_hold_the_breath() -> None:
    for p, held in ((0.1, False), (0.5, True)):
        bench = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 6.3)), words=("What are your hours?", "Okay."))
        bench.partials = ["What are", *["Bum hem"] * 3, *["Okay"] * 9]
        bench.p_interruption = [p] * 30
        bench.run(12)
        assert ("hold" in bench.facts) is held


def test_an_agent_that_is_silenced_by_words_does_not_go_on_over_them() -> None:
    """Their sound may fade into doubt; but for the doubt the same words are those of a hum."""
    bench = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 7.5)), words=("What are your hours?", "Five, five, one."))
    bench.partials = ["What are", "Five", "Five five", "Five five"]
    bench.p_interruption = [0.95] * 12 + [0.1] * 20
    bench.run(12)
    assert [f for f in bench.facts if f in ("hold", "gone_on", "barge_in")] == ["hold", "barge_in"]


def test_words_that_are_a_murmur_count_for_more_than_their_sound() -> None:
    bench = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 6.3)), words=("What are your hours?", "Okay, okay."))
    bench.partials = ["What are", "Okay", "Okay", "Okay okay"]
    bench.p_interruption = [0.1] * 6 + [0.95] * 20
    bench.run(9)
    assert "hold" not in bench.facts


def test_the_sound_is_asked_for_a_short_time_and_only_over_the_agent() -> None:
    bench = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 7.5)), words=("What are your hours?", "Mm-hmm."))
    bench.partials = [""] * 20
    bench.run(9)
    asked = [(at, a) for at, a in bench.actions if isinstance(a, do.JudgeOverlap)]
    assert 5.5 < asked[0][0] / 1e6 < asked[-1][0] / 1e6 < 5.5 + 0.7
    assert len({a.first for _, a in asked}) == 1


def test_a_judgement_that_comes_too_late_changes_nothing() -> None:
    late = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 5.7)), words=("What are your hours?", ""))
    late.partials, late.p_interruption, late.overlap_delay = [""] * 20, [0.95] * 20, 700_000
    late.run(9)
    assert "hold" not in late.facts
    never = Bench(_BY_SOUND, speech=((3.0, 4.0), (5.5, 5.7)), words=("What are your hours?", ""))
    never.partials = [""] * 20
    never.run(9)
    assert late.facts == never.facts


def _tone(level: float) -> bytes:
    return encode(np.round(level * np.sin(np.pi / 4 * np.arange(160))).astype(np.int16), Encoding.MULAW)


@pytest.mark.parametrize(("over", "stops"), [(8_000, True), (1_000, False)])
def test_a_voice_far_quieter_than_the_caller_stops_nothing(over: int, stops: bool) -> None:
    settings = msgspec.structs.replace(_BY_SOUND, faint_db=10.0)
    bench = Bench(settings, speech=((3.0, 5.0), (6.5, 8.5)), words=("What are your hours?", "No, wait, stop."))
    bench.packet = lambda at: _tone(8_000 if at < 6 else over)
    bench.p_interruption = [0.95] * 9
    bench.run(12)
    assert bool(bench.of(do.ClearMedia)) is stops
    assert ("barge_in" in bench.facts) is stops
    assert any(t.interrupted for t in bench.turns) is stops


def test_a_reply_that_is_over_leaves_nothing_undecided() -> None:
    """Whether it was heard out or cut by a key, what the caller says then is his own."""
    heard_out = Bench(speech=((3.0, 4.0),)).run(14).of(do.Remember)[-1]
    end = next(at for at, a in Bench(speech=((3.0, 4.0),)).run(14).actions if a == heard_out) / 1e6
    late = Bench(speech=((3.0, 4.0), (end - 0.3, end + 2)), words=("What are your hours?", "And on Sunday?"))
    late.partials = [""] * 20
    assert late.run(end - 0.1).call.floor == "both"
    assert late.run(end + 0.2).call.floor == "caller"
    keyed = Bench(speech=((3.0, 4.0), (5.5, 6.5)), words=("What are your hours?", "One."))
    keyed.partials = [""] * 20
    keyed.post(5.8, ev.DigitReceived("1"))
    assert keyed.run(5.75).call.floor == "both"
    assert keyed.run(5.85).call.floor == "caller"


def test_not_a_sound_of_a_reply_before_it_is_known_that_he_does_not_go_on() -> None:
    bench = Bench(speech=((3.0, 4.0), (4.6, 6.5)), words=("What are your hours?", "On Tuesday I mean."))
    bench.partials, bench.token_delay = [""] * 20, 600_000
    bench.run(5.5)
    assert bench.call.floor == "both"
    assert len(bench.of(do.Synthesize)) > 1  # it was there to be said
    assert max(bench.when(do.SendMedia)) < 3.0  # the greeting


def test_a_backchannel_does_not_stop_the_agent() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 5.65)), words=("What are your hours?", "Mm-hmm.")).run(14)
    assert "backchannel" in bench.facts
    assert not bench.of(do.ClearMedia)
    assert not any(t.interrupted for t in bench.turns)


def test_a_long_backchannel_does_not_stop_the_agent_either() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 6.0)), words=("What are your hours?", "D'accord.")).run(14)
    assert "backchannel" in bench.facts
    assert not bench.of(do.ClearMedia)


def test_whoever_speaks_on_is_let_speak_whatever_he_says() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 7.5)), words=("What are your hours?", "Yeah yeah yeah.")).run(14)
    assert "barge_in" in bench.facts
    assert bench.when(do.ClearMedia)[0] < 5.5 + SETTINGS.interruption_sure_us / 1e6 + 0.2


def test_a_noise_that_stopped_the_agent_lets_him_go_on_where_he_was() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.5, 6.1)), words=("What are your hours?", "")).run(16)
    assert "false_interruption" in bench.facts
    resumed = [t for t in bench.turns if t.party == "agent"][-1]
    assert resumed.heard.endswith("On Saturday until noon.")


def test_a_short_yes_in_silence_is_answered() -> None:
    bench = Bench(speech=((3.0, 3.2),), words=("Yes.",)).run(8)
    assert [s.text for s in bench.of(do.StartReply)] == ["Yes."]


def test_silence_is_broken_twice_and_then_the_call_ends() -> None:
    bench = Bench().run(60)
    assert bench.facts.count("silence_prompt") >= 1
    assert bench.of(do.HangUp)[0].reason == "silence"
    assert bench.turns[-1].heard == "Goodbye."


def test_a_caller_who_never_stops_is_answered() -> None:
    bench = Bench(speech=((3.0, 100.0),)).run(60)
    assert "turn_limit" in bench.facts
    assert bench.of(do.StartReply)
    assert bench.when(do.StartReply)[0] < 3 + SETTINGS.turn_limit_us / 1e6 + 2


def test_the_call_has_a_longest_length() -> None:
    bench = Bench(speech=tuple((s, s + 1.0) for s in range(3, 700, 8))).run(640)
    assert bench.of(do.HangUp)[0].reason == "limit"
    assert 600 <= bench.when(do.HangUp)[0] < 606


def test_a_failing_recogniser_is_retried_then_apologised_for() -> None:
    once = Bench(speech=((3.0, 4.0),))
    once.fail["stt"] = 1
    once.run(10)
    assert once.of(do.StartReply)
    always = Bench(speech=((3.0, 4.0),))
    always.fail["stt"] = 99
    always.run(14)
    assert always.turns[-1].heard == "Sorry, something is broken."
    assert always.of(do.HangUp)[0].reason == "failed"


def test_a_failing_agent_is_retried_with_the_same_words() -> None:
    bench = Bench(speech=((3.0, 4.0),))
    bench.fail["agent"] = 1
    bench.run(12)
    starts = bench.of(do.StartReply)
    assert [(s.text, s.attempt) for s in starts] == [("What are your hours?", 0), ("What are your hours?", 1)]
    assert bench.turns[-1].heard.startswith("We are open")


def test_a_voice_that_fails_for_good_ends_in_a_transfer() -> None:
    bench = Bench(settings=SETTINGS.__class__(**{**_fields(SETTINGS), "transfer_number": "+15550100"}))
    bench.fail["tts"] = 99
    bench.run(10)
    assert bench.of(do.Transfer) == [do.Transfer("+15550100")]


def test_a_slow_tool_is_bridged_by_a_filler_that_is_not_remembered() -> None:
    def reply(text: str) -> list[ev.Event | str]:
        return [ev.ToolStarted(1, "find_slots")]

    bench = Bench(speech=((3.0, 4.0),), reply=reply)
    bench.post(8.0, ev.ReplyDelta(1, "Nine o'clock is free."))
    bench.post(8.1, ev.ReplyFinished(1))
    # the scripted agent of the bench would end the reply too early
    bench.run(4.9)
    bench._heap = [e for e in bench._heap if not (isinstance(e[2], ev.ReplyFinished) and e[0] < 8_000_000)]
    bench.run(14)
    assert "filler" in bench.facts
    spoken = [s.text for s in bench.of(do.Synthesize)]
    assert "One moment." in spoken
    assert do.Remember(1, "Nine o'clock is free.") in bench.of(do.Remember)


def test_hang_up_waits_until_the_goodbye_was_heard() -> None:
    bench = Bench(speech=((3.0, 4.0),), reply=lambda text: ["Goodbye, and take care.", ev.HangUpRequested(1)]).run(10)
    goodbye = next(t for t in bench.turns if t.heard == "Goodbye, and take care.")
    assert goodbye.end <= bench.when(do.HangUp)[0] < goodbye.end + 0.6
    assert bench.of(do.HangUp)[0].reason == "agent"


def test_a_wire_without_marks_ends_its_replies_by_the_clock() -> None:
    bench = Bench(speech=((3.0, 4.0),), marks=False).run(12)
    assert [t.interrupted for t in bench.turns if t.party == "agent"] == [False, False]


def test_keys_are_collected_and_given_to_the_agent_as_one() -> None:
    bench = Bench()
    for n, digit in enumerate("1234"):
        bench.post(3 + n * 0.3, ev.DigitReceived(digit))
    bench.run(9)
    assert [s.text for s in bench.of(do.StartReply)] == ["[keypad] 1234"]


def test_audio_that_stops_in_mid_word_ends_the_utterance() -> None:
    bench = Bench(speech=((3.0, 60.0),)).run(4)
    bench._media_from = 10_000_000  # no packet between 4 s and 10 s
    bench.run(9)
    assert "media_starved" in bench.facts
    assert bench.of(do.StartReply)


def test_one_filler_does_for_a_quick_tool_and_the_last_is_for_the_second_time() -> None:
    def reply(text: str) -> list[ev.Event | str]:
        return [ev.ToolExpected(1, "look"), ev.ToolStarted(1, "look"), *[""] * 340, "Here it is."]

    phrases = {**PHRASES, "en": msgspec.structs.replace(PHRASES["en"], fillers=("Let me see.", "Still looking."))}
    settings = msgspec.structs.replace(SETTINGS, phrases=phrases)
    bench = Bench(settings, speech=((3.0, 4.0),), reply=reply).run(20)
    said = [s.text for s in bench.of(do.Synthesize)][1:]
    assert said == ["Let me see.", "Still looking.", "Here it is."]


def test_keys_are_one_turn_after_a_pause() -> None:
    bench = Bench()
    for n, key in enumerate("42"):
        bench.post(4.0 + 0.4 * n, ev.DigitReceived(key))
    bench.run(8)
    assert [s.text for s in bench.of(do.StartReply)] == ["[keypad] 42"]
    assert 4.4 + SETTINGS.digits_gap_us / 1e6 <= bench.when(do.StartReply)[0] < 6.1


def test_keys_that_were_asked_for_are_waited_for_and_taken_when_all_are_there() -> None:
    def reply(text: str) -> list[ev.Event | str]:
        return [ev.DigitsExpected(1, 4), "Please key your number."] if "keypad" not in text else ["Thank you."]

    bench = Bench(speech=((3.0, 4.0),), reply=reply)
    for n, key in enumerate("1234"):
        bench.post(9.0 + 2.5 * n, ev.DigitReceived(key))
    bench.run(20)
    assert [s.text for s in bench.of(do.StartReply)][1:] == ["[keypad] 1234"]
    assert bench.when(do.StartReply)[1] == 16.5


def test_the_answer_is_prepared_before_it_is_sure_that_he_has_finished() -> None:
    bench = Bench(speech=((3.0, 4.5),)).run(10)
    [start] = bench.of(do.StartReply)
    assert start.speculative
    assert bench.of(do.CommitReply) == [do.CommitReply(start.reply)]
    assert bench.when(do.StartReply)[0] < 4.5 + (SETTINGS.dip_us + bench.stt_delay) / 1e6 + 0.1
    assert bench.when(do.CommitReply)[0] > bench.when(do.StartReply)[0]
    assert first_sent(bench, start.reply) >= bench.when(do.CommitReply)[0]
    off = Bench(msgspec.structs.replace(SETTINGS, speculate=False), speech=((3.0, 4.5),)).run(10)
    assert bench.turns[2].gap < off.turns[2].gap


def first_sent(bench: Bench, reply: int) -> float:
    return next(
        at
        for at, mark in zip(bench.when(do.SendMark), bench.of(do.SendMark), strict=True)
        if mark.name.startswith(f"r{reply}:")
    )


def test_a_caller_who_goes_on_never_notices_the_draft() -> None:
    bench = Bench(speech=((3.0, 4.0), (4.3, 5.5)), words=("I would like to book.", "I would like to book a slot.")).run(
        12
    )
    dropped, kept = bench.of(do.StartReply)
    assert bench.of(do.ForgetReply) == [do.ForgetReply(dropped.reply)]
    assert do.CancelReply(dropped.reply) in bench.of(do.CancelReply)
    assert bench.of(do.CommitReply) == [do.CommitReply(kept.reply)]
    assert [t.text for t in bench.turns if t.party == "caller"] == ["I would like to book a slot."]
    assert not [m for m in bench.of(do.SendMark) if m.name.startswith(f"r{dropped.reply}:")]


def test_a_caller_who_goes_on_before_he_is_answered_is_answered_as_a_whole() -> None:
    bench = Bench(
        speech=((3.0, 4.0), (4.6, 6.0)), words=("A need an appointment.", "I need an appointment on Tuesday.")
    )
    bench.token_delay = 900_000
    bench.run(14)
    assert "turn_joined" in bench.facts
    assert [t.text for t in bench.turns if t.party == "caller"] == ["A need an appointment.", "on Tuesday."]
    first, *_, whole = [t for t in bench.of(do.Transcribe) if t.final]
    assert whole.first == first.first  # heard once more, as if the turn had not been taken
    kept = bench.of(do.StartReply)[-1]
    assert kept.text == "I need an appointment on Tuesday."
    assert {f.reply for f in bench.of(do.ForgetReply)} == {s.reply for s in bench.of(do.StartReply)} - {kept.reply}


def test_nothing_is_prepared_for_half_a_sentence() -> None:
    bench = Bench(speech=((3.0, 4.0),), words=("I would like to",)).run(9)
    assert not bench.of(do.CommitReply)
    assert [s.speculative for s in bench.of(do.StartReply)] == [False]


def test_a_draft_that_fails_is_asked_for_again_when_the_turn_is_taken() -> None:
    bench = Bench(speech=((3.0, 4.0),))
    bench.fail["agent"] = 1
    bench.token_delay = 20_000
    bench.run(12)
    assert [s.speculative for s in bench.of(do.StartReply)] == [True, False]
    assert "apology" not in bench.facts
    assert bench.turns[-1].heard.startswith("We are open")


def answered(bench: Bench) -> float:
    """When the caller's first turn was taken."""
    return next(at / 1e6 for at, a in bench.actions if isinstance(a, do.TurnTaken) and a.turn.party == "caller")


def test_a_turn_that_does_not_sound_finished_is_waited_for() -> None:
    judged = msgspec.structs.replace(SETTINGS, judge_turns=True)
    taken = {}
    for p_end in (0.05, 0.98):
        bench = Bench(judged, speech=((3.0, 4.0),), words=("Tomorrow morning.",))
        bench.p_end = p_end
        taken[p_end] = answered(bench.run(9))
    unjudged = answered(Bench(speech=((3.0, 4.0),), words=("Tomorrow morning.",)).run(9))
    assert taken[0.98] == unjudged < taken[0.05]


def talking(*speech: tuple[float, float], words: tuple[str, ...] = ("It all began when I was small.",)) -> Bench:
    """A caller who talks on, and is cut in on after ten seconds."""
    phrases = {**PHRASES, "en": msgspec.structs.replace(PHRASES["en"], cut_in=EXCUSE)}
    settings = msgspec.structs.replace(SETTINGS, phrases=phrases, monologue_us=10_000_000)
    return Bench(settings, speech=speech, words=words)


def test_a_monologue_is_cut_in_on_at_a_dip_and_answered() -> None:
    bench = talking((3.0, 12.0), (12.1, 15.0), (15.1, 19.0)).run(26)
    [excuse] = [s for s in bench.of(do.Synthesize) if s.text == EXCUSE]
    [cut_in] = [at / 1e6 for at, a in bench.actions if a == do.Observed("monologue")]
    assert 15.0 < cut_in < 15.15, "not in mid-word, not at the dip before the time"
    [start] = bench.of(do.StartReply)
    assert (start.reply, start.text) == (excuse.reply, "It all began when I was small.")
    assert do.Remember(start.reply, "We are open from eight to six. On Saturday until noon.") in bench.of(do.Remember)
    assert [t.party for t in bench.turns] == ["agent", "caller", "agent"]
    assert not bench.turns[-1].interrupted


def test_who_speaks_on_after_the_excuse_keeps_all_his_words() -> None:
    bench = talking((3.0, 14.0), (14.5, 17.0), words=("First this.", "First this. And that.")).run(24)
    assert "monologue" in bench.facts
    assert [t.text for t in bench.turns if t.party == "caller"][-1].endswith("And that.")
    assert bench.of(do.StartReply)[-1].text.count("And that.") == 1


def test_a_long_noise_without_words_is_not_spoken_to() -> None:
    bench = talking((3.0, 14.0), (14.1, 16.0), words=("",)).run(24)
    assert "monologue" not in bench.facts


def test_a_caller_who_never_dips_is_let_talk_until_the_limit() -> None:
    bench = talking((3.0, 60.0)).run(50)
    assert "monologue" not in bench.facts
    assert "turn_limit" in bench.facts


def on_hold(tool_s: float, *speech: tuple[float, float], words: tuple[str, ...] = ("What are your hours?",)) -> Bench:
    """A call whose first question takes a tool that runs for so long."""

    def reply(text: str) -> list[ev.Event | str]:
        if "hours" not in text:
            return ["Yes, I am here."]
        return [ev.ToolExpected(1, "look"), ev.ToolStarted(1, "look"), *[""] * int(tool_s * 50), "Here it is."]

    settings = msgspec.structs.replace(SETTINGS, hold_music=True)
    return Bench(settings, speech=((3.0, 4.0), *speech), words=words, reply=reply)


def music(bench: Bench) -> list[float]:
    """When music was sent."""
    return [
        at / 1e6
        for at, a in bench.actions
        if isinstance(a, do.SendMedia) and a.payload.count(MUSIC) > len(a.payload) / 2
    ]


def test_a_slow_tool_is_waited_for_with_music_which_stops_at_the_first_word() -> None:
    bench = on_hold(10).run(22)
    sent = music(bench)
    assert sent[0] > 8.5, "not before the caller was told twice"
    [cleared] = bench.when(do.ClearMedia)
    first_word = next(at / 1e6 for at, e, _ in bench.log if isinstance(e, ev.SpeechSynthesized) and e.chunk > 2)
    assert sent[-1] <= cleared == first_word
    assert do.Remember(1, "Here it is.") in bench.of(do.Remember)
    assert [t.heard for t in bench.turns if t.party == "agent"][1:] == ["Here it is."]
    assert bench.of(do.CommitReply) == [do.CommitReply(1)]


def test_a_tool_that_answers_soon_is_waited_for_without_music() -> None:
    assert not music(on_hold(3).run(14))
    assert music(on_hold(7).run(18))


def test_music_and_fillers_take_turns() -> None:
    bench = on_hold(25).run(40)
    said = [s.text for s in bench.of(do.Synthesize) if s.reply == 1]
    note = do.HOLD_MUSIC
    assert said[:6] == ["One moment.", "One moment.", note, "One moment.", note, "One moment."]


def test_music_stops_when_the_caller_speaks_and_there_is_one_answer() -> None:
    bench = on_hold(16, (12.0, 13.5), words=("What are your hours?", "Hello, is anybody there?")).run(24)
    assert music(bench)[-1] < 12.3
    assert 12.0 < bench.when(do.ClearMedia)[0] < 12.2
    assert [s.text for s in bench.of(do.StartReply)] == ["What are your hours?", "Hello, is anybody there?"]
    assert [t.heard for t in bench.turns if t.party == "agent"][1:] == ["Yes, I am here."]


def test_a_murmur_over_the_music_costs_the_music_and_nothing_else() -> None:
    bench = on_hold(16, (12.0, 12.2), words=("What are your hours?", "Mm-hmm.")).run(26)
    assert "backchannel" in bench.facts
    assert [t.heard for t in bench.turns if t.party == "agent"][1:] == ["Here it is."]


def speaks(*words: tuple[str, str, float], length: float = 2.0) -> Bench:
    """A caller who says these, one every six seconds."""
    speech = tuple((3.0 + 6 * n, 3.0 + 6 * n + length) for n in range(len(words)))
    return Bench(speech=speech, words=words, reply=lambda text: ["Good."]).run(3 + 6 * len(words))


def test_the_caller_chooses_the_language_and_changes_it() -> None:
    bench = speaks(("Bonjour, vous m'entendez ?", "fr", 0.97), ("Sorry, I prefer English.", "en", 0.95))
    assert [s.language for s in bench.of(do.StartReply)] == ["fr", "en"]
    assert [s.language for s in bench.of(do.Synthesize)] == ["en", "fr", "en"]
    assert [t.language for t in bench.turns] == ["en", "fr", "fr", "en", "en"]


def test_the_calls_own_phrases_follow_the_caller() -> None:
    bench = Bench(speech=((3.0, 5.0),), words=(("Bonjour.", "fr", 0.97),), reply=lambda text: ["Bien."]).run(40)
    assert bench.turns[-1].heard == "Au revoir."
    assert "Vous êtes là ?" in [s.text for s in bench.of(do.Synthesize)]


def test_a_language_that_is_doubtful_is_not_switched_to() -> None:
    bench = speaks(("Oui.", "fr", 0.6), ("What are your hours?", "en", 0.99), ("Okay, oui.", "fr", 0.7))
    assert {s.language for s in bench.of(do.StartReply)} == {"en"}


def test_a_short_word_is_taken_in_the_language_that_is_spoken() -> None:
    bench = speaks(("Bonjour, vous m'entendez ?", "fr", 0.97), ("Oui.", "fr", 1.0), length=1.0)
    first, last = bench.of(do.Transcribe)[0], bench.of(do.Transcribe)[-1]
    assert (first.language, last.language) == ("", "fr")


# ---- for any order of events

_spans = st.lists(st.tuples(st.floats(0.2, 3.0), st.floats(0.05, 3.0)), max_size=6)
_late = st.lists(
    st.tuples(
        st.floats(0.0, 20.0),
        st.one_of(
            st.builds(
                ev.TranscriptReady,
                st.integers(0, 8),
                st.sampled_from(["", "yes", "and then"]),
                st.sampled_from(["en", "fr", "xx"]),
            ),
            st.builds(ev.ReplyDelta, st.integers(0, 6), st.sampled_from(["Hello. ", "a", ""])),
            st.builds(ev.ReplyFinished, st.integers(0, 6)),
            st.builds(
                ev.SpeechSynthesized, st.integers(0, 6), st.integers(0, 4), st.binary(max_size=900), st.booleans()
            ),
            st.builds(
                ev.ModelFailed,
                st.sampled_from(["stt", "agent", "tts", "vad", "turn", "overlap", "transfer"]),
                st.integers(0, 6),
                st.just("x"),
                st.integers(0, 6),
            ),
            st.builds(ev.MarkReturned, st.sampled_from(["r0:10", "r1:20", "zz"]), st.booleans()),
            st.builds(ev.DigitReceived, st.sampled_from("0123456789*#")),
            st.builds(ev.ToolStarted, st.integers(0, 4), st.just("t")),
            st.builds(ev.ToolFinished, st.integers(0, 4), st.just("t"), st.just(""), st.booleans()),
            st.builds(ev.TurnJudged, st.integers(0, 8), st.floats(0, 1)),
            st.builds(ev.OverlapJudged, st.integers(0, 400_000), st.floats(0, 1)),
            st.builds(ev.DigitsRequested, st.integers(0, 4), st.just("1")),
            st.builds(ev.DigitsExpected, st.integers(0, 4), st.integers(0, 4)),
            st.builds(ev.HangUpRequested, st.integers(0, 4)),
            st.builds(ev.TransferRequested, st.integers(0, 4), st.just("+15550100")),
            st.builds(ev.CallStarted, st.just("x"), st.just("x"), st.just(ev.AudioFormat()), st.just(ev.AudioFormat())),
            st.builds(ev.CallEnded, st.just("caller")),
        ),
    ),
    max_size=12,
)


def _bench(spans: list[tuple[float, float]], late: list[tuple[float, ev.Event]]) -> Bench:
    speech, at = [], 1.0
    for silence, length in spans:
        speech.append((at + silence, at + silence + length))
        at += silence + length
    phrases = {code: msgspec.structs.replace(said, cut_in=EXCUSE) for code, said in PHRASES.items()}
    settings = msgspec.structs.replace(
        SETTINGS,
        phrases=phrases,
        monologue_us=2_000_000,
        hold_music=True,
        filler_again_us=1_000_000,
        judge_overlaps=True,
        faint_db=10.0,
    )
    bench = Bench(settings, speech=tuple(speech), words=("What are your hours?", "Yes.", "", "Mm.", "And"))
    bench.p_interruption = [0.1, 0.95] * 20
    for seconds, event in late:
        bench.post(seconds, event)
    return bench.run(25)


@given(_spans, _late)
@settings(max_examples=60, deadline=None)
def test_any_order_of_events_leaves_a_sound_call(
    spans: list[tuple[float, float]], late: list[tuple[float, ev.Event]]
) -> None:
    bench = _bench(spans, late)
    ended: set[int] = set()
    asked: set[int] = set()
    for _, action in bench.actions:
        match action:
            case do.Remember(reply=reply) | do.ForgetReply(reply=reply):
                assert reply not in ended, "a reply ends once"
                ended.add(reply)
            case do.Synthesize(reply=reply) | do.StartReply(reply=reply):
                assert reply not in ended, "nothing is asked for a reply that is over"
                asked.add(reply)
            case _:
                pass
    live = asked - ended
    assert len(live) <= 1, "never two replies live"
    for turn in bench.turns:
        assert turn.start <= turn.end
        if turn.party == "agent":
            assert turn.text.startswith(turn.heard)
    after_end = [a for at, e, a in bench.log[_index_of_end(bench) + 1 :] if a]
    assert not after_end, "nothing is done after the end"


@given(_spans, _late)
@settings(max_examples=60, deadline=None)
def test_a_draft_is_committed_or_forgotten_and_until_then_nobody_notices_it(
    spans: list[tuple[float, float]], late: list[tuple[float, ev.Event]]
) -> None:
    bench, draft = _bench(spans, late), -1
    for _, action in bench.actions:
        match action:
            case do.StartReply(reply=reply, speculative=True):
                assert draft < 0, "one draft at a time"
                draft = reply
            case do.CommitReply(reply=reply):
                assert reply == draft
                draft = -1
            case do.ForgetReply(reply=reply):  # a draft, or a reply that nobody has noticed
                assert not any(isinstance(a, do.SendMark) and a.name.startswith(f"r{reply}:") for _, a in bench.actions)
                draft = -1 if reply == draft else draft
            case do.Remember(reply=reply) | do.StartReply(reply=reply):
                assert reply != draft
            case do.SendMark(name=name):
                assert not name.startswith(f"r{draft}:")
            case do.SendDigits() | do.Transfer() | do.HangUp():
                assert draft < 0, "a draft does nothing"
            case _:
                pass


def _index_of_end(bench: Bench) -> int:
    return next((n for n, (_, e, _) in enumerate(bench.log) if isinstance(e, ev.CallEnded)), len(bench.log))


@given(_spans, _late)
@settings(max_examples=30, deadline=None)
def test_nothing_of_a_cancelled_reply_leaves_after_the_clear(
    spans: list[tuple[float, float]], late: list[tuple[float, ev.Event]]
) -> None:
    bench = _bench(spans, late)
    live, drafts = -1, set[int]()
    for _, action in bench.actions:
        match action:
            case do.Remember():
                live = -1
            case do.StartReply(reply=reply, speculative=True):
                drafts.add(reply)
            case do.StartReply(reply=reply):  # it may press keys before its first word
                live = reply
            case do.CommitReply(reply=reply):
                drafts.discard(reply)
                live = reply
            case do.SendDigits():
                assert live >= 0, "keys of no reply"
            case do.Synthesize(reply=reply) if reply not in drafts:
                live = reply
            case do.SendMedia():
                assert live >= 0, "audio of no reply"
            case do.SendMark(name=name):
                assert name.startswith(f"r{live}:")
            case _:
                pass


@given(_spans, _late)
@settings(max_examples=20, deadline=None)
def test_same_events_same_actions(spans: list[tuple[float, float]], late: list[tuple[float, ev.Event]]) -> None:
    bench = _bench(spans, late)
    again = bench.call.__class__(bench.call.settings)
    for at, event, actions in bench.log:
        assert again.receive(at, event) == actions


def _fields(struct: object) -> dict[str, object]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}


def _opening(*later: tuple[float, float], token_delay: int = 1_200_000, follow: bool = False) -> Bench:
    phrases = {**PHRASES, "en": msgspec.structs.replace(PHRASES["en"], openers=("Let's see.", "Okay."))}
    settings = msgspec.structs.replace(SETTINGS, phrases=phrases, follow=follow)
    bench = Bench(settings, speech=((3.0, 4.0), *later), words=("I need an appointment.", "On Tuesday."))
    bench.token_delay = token_delay
    return bench


def test_where_others_are_told_from_the_caller_a_joined_turn_is_not_heard_again() -> None:
    bench = _opening((4.8, 5.6), follow=True).run(13)
    assert "turn_joined" in bench.facts
    assert bench.of(do.StartReply)[-1].text == "I need an appointment. On Tuesday."


def test_a_caller_who_is_heard_to_go_on_as_the_wait_ends_keeps_his_turn() -> None:
    # 0.4 s of silence are wanted after 3.98 s: the window from 4.32 s sounds like speech, the next one says that it is.
    bench = Bench(
        speech=((3.0, 4.0), (4.33, 5.5)), words=("I would like to book.", "I would like to book a slot.")
    ).run(12)
    assert [t.text for t in bench.turns if t.party == "caller"] == ["I would like to book a slot."]


def test_a_click_as_the_wait_ends_delays_the_answer_by_no_more_than_is_needed_to_know() -> None:
    words = ("I would like to book.",)
    plain, click = (Bench(speech=((3.0, 4.0), *more), words=words) for more in ((), ((4.33, 4.34),)))
    plain.token_delay = click.token_delay = 0  # the answer is ready when the wait ends
    late = click.run(9).turns[-1].gap - plain.run(9).turns[-1].gap
    assert 0 < late <= 0.07


def test_an_answer_that_is_not_ready_begins_with_an_opener_that_is_not_remembered() -> None:
    bench = _opening().run(9)
    answer = bench.turns[-1]
    assert [s.text for s in bench.of(do.Synthesize)][1] == "Okay."
    assert answer.gap == pytest.approx(0.45, abs=0.08)  # the wait that these words want, not the agent's 1.2 s
    assert answer.heard == "We are open from eight to six. On Saturday until noon."


def test_an_answer_that_is_ready_begins_with_itself() -> None:
    bench = _opening(token_delay=100_000).run(9)
    assert "opener" not in bench.facts
    assert bench.turns[-1].gap == pytest.approx(0.42, abs=0.06)


def test_a_caller_who_goes_on_over_an_opener_is_answered_as_a_whole() -> None:
    bench = _opening((4.8, 5.6))
    bench.words[1:] = ["I need an appointment on Tuesday."]
    bench.run(13)
    assert "turn_joined" in bench.facts
    assert bench.of(do.StartReply)[-1].text == "I need an appointment on Tuesday."
    assert [turn.heard for turn in bench.turns if turn.party == "agent"][1:] == [
        "We are open from eight to six. On Saturday until noon."
    ]


def test_a_murmur_that_silenced_the_agent_is_not_answered_but_gone_on_after() -> None:
    words = ("What are your hours?", "Okay, okay, right.")
    bench = Bench(speech=((3.0, 4.0), (5.2, 6.5)), words=words).run(13)
    assert "barge_in" in bench.facts
    silent = next(at for at in bench.when(do.ClearMedia))
    assert bench.of(do.CommitReply) == [do.CommitReply(1)]
    again = next(at for at in bench.when(do.SendMedia) if at > silent)
    assert again < 6.5 + 1.0
    assert bench.turns[-1].heard.endswith("On Saturday until noon.")


def test_a_hesitating_caller_interrupts_once_he_goes_on() -> None:
    words = ("What are your hours?", "Well", "Well I was going to say something else entirely.")
    bench = Bench(speech=((3.0, 4.0), (5.2, 5.5), (5.8, 9.0)), words=words)
    bench.stt_delay = 400_000  # the first stretch is not judged before the second begins
    bench.run(14)
    assert bench.when(do.ClearMedia)[0] < 5.8 + SETTINGS.interruption_sure_us / 1e6 + 0.4


def test_a_second_murmur_after_a_pause_is_not_judged_by_the_time_of_the_first() -> None:
    bench = Bench(speech=((3.0, 4.0), (5.2, 5.5), (5.85, 6.5)), words=("What are your hours?", "Mm-hmm."))
    bench.stt_delay = 500_000
    bench.run(13)
    assert "barge_in" not in bench.facts
    assert not bench.of(do.ClearMedia)
    assert bench.turns[-1].heard == "We are open from eight to six. On Saturday until noon."


def test_an_opener_is_said_once_and_a_filler_follows() -> None:
    said = [s.text for s in _opening(token_delay=4_000_000).run(10).of(do.Synthesize)]
    assert said[1:4] == ["Okay.", "One moment.", "We are open from eight to six."]


def test_a_note_of_an_operator_is_passed_to_the_agent_and_changes_nothing_else() -> None:
    bench, other = Bench(speech=((3.0, 4.0),)), Bench(speech=((3.0, 4.0),))
    bench.post(2.5, ev.NoteGiven("She is a regular."))
    bench.run(10)
    assert bench.of(do.Notice) == [do.Notice("note", "She is a regular.", 1.0)]
    assert bench.turns == other.run(10).turns
