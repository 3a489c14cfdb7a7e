"""Calls that we place, on the bench: nobody is spoken to before it is known who answered."""

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import actions as do
from pipelines import events as ev
from pipelines.call import Call
from tests.helpers.bench import EXCUSE, PHRASES, SETTINGS, Bench

MESSAGE = "This is the surgery. Please call us back."
OUTBOUND = msgspec.structs.replace(SETTINGS, outbound=True, message=MESSAGE)
CHATTY = {"en": msgspec.structs.replace(PHRASES["en"], openers=("Let's see.",), cut_in=EXCUSE), "fr": PHRASES["fr"]}
"""The agent has openers, and an excuse for cutting in."""
MAILBOX = ("You have reached Bob.", "You have reached Bob. Please leave a message after the tone.")
GREETING = PHRASES["en"].greeting


def said(bench: Bench) -> list[str]:
    return [turn.text for turn in bench.turns if turn.party == "agent"]


def who(bench: Bench) -> list[str]:
    return [fact.removeprefix("answered_") for fact in bench.facts if fact.startswith("answered_")]


def first_sound(bench: Bench) -> float:
    return bench.when(do.SendMedia)[0]


def test_a_person_is_greeted_once_he_has_said_hello_and_then_answered_as_ever() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 1.3), (6.0, 7.0)), words=("Hello?", "What are your hours?")).run(14)
    assert who(bench) == ["person"]
    assert 1.3 < first_sound(bench) < 2.5
    assert [(turn.party, turn.text) for turn in bench.turns][:3] == [
        ("caller", "Hello?"),
        ("agent", GREETING),
        ("caller", "What are your hours?"),
    ]
    assert said(bench)[1].startswith("We are open")


def test_a_person_who_says_nothing_is_greeted_after_a_short_silence() -> None:
    bench = Bench(OUTBOUND).run(8)
    assert who(bench) == ["person"]
    assert 2.4 < first_sound(bench) < 3.0


def test_a_person_is_greeted_in_his_language() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 1.3),))
    bench.stt_delay = 60_000_000
    bench.run(1.45)
    [asked] = [action.request for action in bench.of(do.Transcribe) if action.final]
    bench.post(1.5, ev.TranscriptReady(asked, "Allô ?", "fr"))
    bench.run(8)
    assert said(bench) == [PHRASES["fr"].greeting]


def test_a_person_can_interrupt_the_greeting() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 1.3), (2.4, 4.0)), words=("Hello?", "Wait, who is this?")).run(9)
    assert "barge_in" in bench.facts


def test_the_message_is_left_after_the_beep_and_nothing_before() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 2.6), (3.0, 5.4)), words=MAILBOX, beeps=((6.0, 6.4),)).run(14)
    assert who(bench) == ["machine"]
    assert 6.4 < first_sound(bench) < 7.4
    assert said(bench) == [MESSAGE]
    [end] = bench.when(do.HangUp)
    assert end >= bench.turns[-1].end
    assert not bench.of(do.StartReply)


def test_a_beep_alone_tells_a_machine() -> None:
    bench = Bench(OUTBOUND, beeps=((1.0, 1.5),)).run(8)
    assert (who(bench), said(bench)) == (["machine"], [MESSAGE])
    assert first_sound(bench) < 2.4


def test_a_beep_in_the_middle_of_words_is_not_the_one() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 2.6), (3.0, 8.0)), words=MAILBOX, beeps=((2.65, 2.95),)).run(20)
    assert first_sound(bench) > 8.0 + OUTBOUND.beep_silence_us / 1e6


def test_without_a_beep_the_message_is_left_in_a_long_silence() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 9.0),), words=("",)).run(18)
    assert (who(bench), said(bench)) == (["machine"], [MESSAGE])
    assert bench.when(do.HangUp)


def test_a_machine_that_speaks_while_the_message_is_left_does_not_interrupt() -> None:
    speech = ((0.8, 2.6), (3.0, 5.4), (7.5, 9.0))
    bench = Bench(OUTBOUND, speech=speech, words=MAILBOX, beeps=((6.0, 6.4),)).run(14)
    assert said(bench) == [MESSAGE]
    assert not bench.turns[-1].interrupted


def test_without_a_message_a_machine_is_hung_up_on() -> None:
    bench = Bench(msgspec.structs.replace(OUTBOUND, message=""), speech=((0.8, 9.0),), words=MAILBOX).run(12)
    assert (who(bench), said(bench)) == (["machine"], [])
    assert bench.of(do.HangUp) == [do.HangUp("agent")]


def test_a_machine_that_never_stops_is_given_up() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 200.0),), words=("la la",)).run(90)
    assert said(bench) == []
    assert bench.when(do.HangUp) == [pytest.approx(72, abs=0.1)]


def test_a_menu_is_hung_up_on() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 4.0),), words=("For sales, press one.",)).run(8)
    assert (who(bench), said(bench)) == (["ivr"], [])
    assert bench.of(do.HangUp) == [do.HangUp("agent")]


def test_an_agent_with_a_keypad_goes_on_in_a_menu() -> None:
    settings = msgspec.structs.replace(OUTBOUND, keypad=True)
    reply = lambda text: [ev.DigitsRequested(0, "1")]  # noqa: E731
    bench = Bench(settings, speech=((0.8, 4.0),), words=("For sales, press one.",), reply=reply)
    bench.run(8)
    assert who(bench) == ["ivr"]
    assert bench.of(do.StartReply)[0].text == "For sales, press one."
    assert GREETING not in said(bench)


def test_a_long_opening_that_turns_out_to_be_a_menu() -> None:
    bench = Bench(OUTBOUND, speech=((0.8, 8.0), (8.9, 11.0)), words=("Welcome", "Welcome. Press one.")).run(14)
    assert who(bench) == ["machine", "ivr"]
    assert said(bench) == []


def test_without_a_recogniser_lengths_decide() -> None:
    for speech, expected in ((((0.8, 1.3),), "person"), (((0.8, 9.0),), "machine")):
        bench = Bench(OUTBOUND, speech=speech)
        bench.fail["stt"] = 99
        bench.run(14)
        assert who(bench) == [expected]
        assert "apology" not in bench.facts


def test_without_voice_activity_the_deadline_decides() -> None:
    bench = Bench(msgspec.structs.replace(OUTBOUND, analyze=False)).run(16)
    assert who(bench) == ["person"]
    assert first_sound(bench) == pytest.approx(12, abs=0.3)


def test_a_message_that_cannot_be_spoken_ends_the_call_and_transfers_no_machine() -> None:
    settings = msgspec.structs.replace(OUTBOUND, transfer_number="+15550100")
    bench = Bench(settings, beeps=((1.0, 1.5),))
    bench.fail["tts"] = 99
    bench.run(12)
    assert bench.of(do.HangUp) == [do.HangUp("failed")]
    assert not bench.of(do.Transfer)


def test_neither_opener_nor_excuse_is_said_to_a_machine_however_long_it_speaks() -> None:
    policy = msgspec.structs.replace(OUTBOUND, phrases=CHATTY, monologue_us=2_000_000, turn_limit_us=3_000_000)
    speech = ((0.8, 3.5), (3.59, 6.0), (6.5, 9.4))  # the second dip is too short to end a stretch of speech
    bench = Bench(policy, speech=speech, words=MAILBOX, beeps=((10.0, 10.4),)).run(20)
    assert [s.text for s in bench.of(do.Synthesize)] == ["This is the surgery.", "Please call us back."]
    assert not {"monologue", "opener", "speculation", "turn_limit"} & set(bench.facts)
    assert 10.4 < first_sound(bench) < 11.4


def test_a_person_is_greeted_without_an_opener_and_answered_with_one() -> None:
    policy = msgspec.structs.replace(OUTBOUND, phrases=CHATTY)
    bench = Bench(policy, speech=((0.8, 1.3), (6.0, 7.0)), words=("Hello?", "What are your hours?"))
    bench.token_delay = 1_200_000
    bench.run(14)
    assert [s.text for s in bench.of(do.Synthesize)][:2] == [GREETING, "Let's see."]


def test_a_machine_is_transferred_to_nobody_when_voice_activity_fails() -> None:
    settings = msgspec.structs.replace(OUTBOUND, transfer_number="+15550100")
    bench = Bench(settings, speech=((0.8, 30.0),), words=MAILBOX[1:]).run(4)
    assert who(bench) == ["machine"]
    for n in range(settings.vad_failures):
        bench.post(4.001, ev.ModelFailed("vad", n, "scripted"))
    bench.run(12)
    assert bench.of(do.HangUp) == [do.HangUp("failed")]
    assert not bench.of(do.Transfer)


def test_keys_before_it_is_decided_are_a_machines() -> None:
    bench = Bench(OUTBOUND)
    bench.post(0.5, ev.DigitReceived("5"))
    bench.run(6)
    assert not bench.of(do.StartReply)


_spans = st.lists(st.tuples(st.floats(0.1, 4.0), st.floats(0.05, 7.0)), max_size=6)
_words = st.lists(
    st.sampled_from(["", "Hello?", "Leave a message.", "Press one.", "Laissez un message", "Tapez 2"]), min_size=1
)


@given(_spans, _words, st.lists(st.floats(0.2, 20), max_size=2), st.sampled_from(["", MESSAGE]), st.booleans())
@settings(max_examples=60, deadline=None)
def test_whatever_answers_it_is_decided_and_replays(spans, words, beeps, message, keypad) -> None:
    speech, at = [], 0.0
    for silence, length in spans:
        speech.append((at + silence, at + silence + length))
        at += silence + length
    policy = msgspec.structs.replace(OUTBOUND, message=message, keypad=keypad)
    bench = Bench(policy, tuple(speech), tuple(words), beeps=tuple((t, t + 0.3) for t in beeps)).run(80)
    facts = who(bench)
    assert facts in (["person"], ["machine"], ["ivr"], ["machine", "ivr"])
    decided = next(at for at, a in bench.actions if isinstance(a, do.Observed) and a.fact.startswith("answered_"))
    assert decided <= policy.answer_limit_us + 100_000
    assert not [at for at in bench.when(do.SendMedia) if at * 1e6 < decided], "nothing is said before"
    assert facts == ["person"] or keypad or bench.of(do.HangUp), "a machine is not talked to for ever"
    if facts == ["machine"] and not message:
        assert not bench.of(do.SendMedia)
    again = Call(policy)
    for at, event, actions in bench.log:
        assert again.receive(at, event) == actions
