"""Card numbers, spoken and keyed: gone from words, keys and sound, while the call still replays."""

import msgspec
import pytest

from pipelines import events as ev
from pipelines.actions import StartReply, Synthesize
from pipelines.analysis.cards import has_card, without_cards
from pipelines.frames import TELEPHONE
from pipelines.replay.driver import replay
from pipelines.replay.dump import Dump, Step
from tests.helpers.bench import Bench
from tests.helpers.replay import meta

CARD = "4242 4242 4242 4242"
SPOKEN = "four two four two four two four two four two four two four two four two"
PARLÉ = (
    "quarante-deux quarante-deux quarante-deux quarante-deux quarante-deux quarante-deux quarante-deux quarante-deux"
)


def dump_of(bench: Bench) -> Dump:
    steps = tuple(Step(at, event, tuple(actions)) for at, event, actions in bench.log)
    return Dump(
        msgspec.structs.replace(meta(), settings=bench.call.settings, inbound=TELEPHONE, outbound=TELEPHONE), steps
    )


def call(*words: str, reply: str = "Thank you.", speech: tuple = ((3.0, 5.0),)) -> Dump:
    bench = Bench(speech=speech, words=words, reply=lambda text: [*reply])
    return dump_of(bench.run(16))


def everything(dump: Dump) -> str:
    """Every word of it."""
    return " ".join(
        repr(step.event) + repr(step.actions) for step in dump.steps if not isinstance(step.event, ev.MediaReceived)
    )


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ([f"My card is {CARD}."], True),
        ([SPOKEN], True),
        ([f"C'est le {PARLÉ}."], True),
        (["4242 4242", "then 4242", "and 4242."], True),
        (["[keypad] 4242424242424242"], True),
        (["[keypad] 42424242", "[keypad] 42424242"], True),
        (["1234 5678 9011"], False),
        (["0000 0000 0000 0000"], False),
        (["06 12 34 56 78"], False),
        (["My number is 4242 4242", "We talked of something else here.", "4242 4242"], False),
        ([], False),
    ],
)
def test_what_is_a_card(texts: list[str], found: bool):
    assert has_card(texts) is found


@pytest.mark.parametrize("said", [f"My card is {CARD}.", f"It is {SPOKEN}.", f"C'est le {PARLÉ}."])
def test_a_spoken_card_is_gone_and_the_call_goes_as_it_went(said: str):
    before = call(said, reply="I have 4242 4242 4242 4242, is that right?")
    after = without_cards(before)
    for trace in ("4242", "four two", "quarante"):
        assert trace not in everything(after)
    assert after.meta.redacted == ("cards",)
    outcome = replay(after)
    assert outcome.same, outcome.divergence
    assert [step.at for step in after.steps] == [step.at for step in before.steps]
    assert [len(step.actions) for step in after.steps] == [len(step.actions) for step in before.steps]
    assert [len(t.text) for t in after.turns()] == [len(t.text) for t in before.turns()]


def test_its_sound_is_silence_on_both_sides():
    before = call(f"My card is {CARD}.", reply="I have 4242 4242 4242 4242.")
    loud = [
        Step(s.at, ev.MediaReceived(b"\x10" * 160, s.event.timestamp), s.actions)
        if isinstance(s.event, ev.MediaReceived)
        else s
        for s in before.steps
    ]
    after = without_cards(Dump(before.meta, tuple(loud)))
    heard = {at: event.payload for at, event in after.events(ev.MediaReceived)}
    assert all(set(payload) == {0xFF} for at, payload in heard.items() if 3_000_000 <= at <= 5_000_000)
    assert all(set(payload) == {0x10} for at, payload in heard.items() if at < 2_000_000 or at > 6_000_000)
    hidden = {(a.reply, a.chunk) for _, a in after.actions(Synthesize) if "0000" in a.text}
    assert hidden
    assert all(set(e.audio) == {0xFF} for _, e in after.events(ev.SpeechSynthesized) if (e.reply, e.chunk) in hidden)


def test_a_keyed_card_is_gone():
    bench = Bench(
        speech=((3.0, 4.0),),
        reply=lambda text: [ev.DigitsExpected(1, 16), "Please key it."] if "keypad" not in text else ["Thank you."],
    )
    for n, key in enumerate("4242424242424242"):
        bench.post(6.5 + 0.2 * n, ev.DigitReceived(key))
    after = without_cards(dump_of(bench.run(14)))
    assert {event.digit for _, event in after.events(ev.DigitReceived)} == {"0"}
    assert "4242" not in everything(after)
    assert "[keypad] 0000000000000000" in [action.text for _, action in after.actions(StartReply)]
    assert replay(after).same


def test_a_tools_argument_is_gone():
    before = call("Yes please.")
    steps = list(before.steps)
    steps.insert(-5, Step(steps[-5].at, ev.ToolStarted(1, "pay", '{"card": "4242424242424242"}'), ()))
    after = without_cards(Dump(before.meta, tuple(steps)))
    assert "4242" not in everything(after)


def test_a_call_without_a_card_is_the_same():
    before = call("My number is 06 12 34 56 78.")
    assert without_cards(before) is before
    once = without_cards(call(f"My card is {CARD}."))
    assert without_cards(once) is once
