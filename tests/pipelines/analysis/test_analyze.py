"""A whole analysis from a dump: of golden calls, and of calls with feeling."""

import msgspec
import pytest

from pipelines import events as ev
from pipelines.analysis.analysis import Felt, Reading, decode, encode
from pipelines.analysis.analyze import analyze, gaps, overall
from pipelines.replay.dump import Dump, read_dump
from tests.golden.behaviours import BEHAVIOURS, FOLDER
from tests.helpers.analysis import recorded
from tests.helpers.bench import SETTINGS, Bench
from tests.helpers.replay import meta, small_steps, two_parties

FEELING = msgspec.structs.replace(SETTINGS, feel=True, appraise=True)


@pytest.mark.parametrize("name", BEHAVIOURS)
def test_every_golden_call(name):
    dump = read_dump(FOLDER / name)
    found = analyze(dump)
    assert found == analyze(read_dump(FOLDER / name))
    assert sorted(turn.text for turn in found.turns) == sorted(turn.text for turn in dump.turns())
    assert decode(encode(found)) == found
    shares = sum(talk.share for talk in found.talk.values())
    assert shares == pytest.approx(1, abs=0.002)
    quiet = sum(silence.seconds for silence in found.silences)
    assert quiet + found.talk["caller"].seconds <= found.seconds


def test_talk_share_and_words():
    talk = analyze(two_parties()).talk
    assert talk["caller"].seconds == pytest.approx(10.4)
    assert talk["agent"].seconds == pytest.approx(12.44, abs=0.1)
    assert (talk["caller"].turns, talk["caller"].words) == (3, 6 + 7 + 4)


def test_words_that_were_not_heard_and_keys_are_not_counted():
    assert analyze(read_dump(FOLDER / "interruption")).talk["agent"].words == 5 + 4
    assert analyze(read_dump(FOLDER / "keys")).talk["caller"].words == 4


def test_keys_in_their_order():
    keys = analyze(read_dump(FOLDER / "keys")).keys
    assert "".join(key.key for key in keys) == "1234"
    assert {key.party for key in keys} == {"caller"}


def test_turns_are_in_order_of_their_beginnings():
    starts = [turn.start for turn in analyze(read_dump(FOLDER / "interruption")).turns]
    assert starts == sorted(starts)


def test_who_answered_and_why_it_ended():
    assert analyze(read_dump(FOLDER / "machine_answers")).answered == "machine"
    assert analyze(read_dump(FOLDER / "silence")).outcome == "silence"
    assert analyze(two_parties()).outcome == "caller"
    assert analyze(Dump(meta(), (), complete=False)).outcome == ""


@pytest.mark.parametrize("steps", [(), tuple(small_steps())])
def test_the_shortest_calls(steps):
    found = analyze(Dump(meta(), steps, complete=False))
    assert not found.complete
    assert not found.interruptions


def test_no_number_of_a_party_is_in_it():
    written = encode(analyze(two_parties()))
    assert b"+1555" not in written


def test_gaps():
    assert gaps([]) == gaps(())
    assert gaps([0.5]).p95 == 0.5
    found = gaps([0.4, 0.6, 0.5, 2.4])
    assert (found.answers, found.median, found.longest) == (4, 0.55, 2.4)
    assert found.p95 == pytest.approx(2.13)


# ---- feeling


def felt_call() -> Bench:
    bench = Bench(
        FEELING, speech=((3.0, 5.0), (9.0, 11.0)), words=("This is the third time I call!", "Thank you, that helps.")
    )
    bench.emotion = ("angry", 0.93)
    bench.post(5.9, ev.SentimentRead(0, "negative", 0.8))
    bench.post(8.5, ev.DigitReceived("#"))
    bench.post(11.9, ev.SentimentRead(2, "positive", 0.7))  # the keys were turn 1
    bench.run(7)
    bench.emotion = ("neutral", 0.6)
    return bench.run(14)


def test_each_turn_has_the_feeling_that_was_heard_in_it():
    found = analyze(recorded(felt_call()))
    said = [turn for turn in found.turns if turn.party == "caller" and not turn.text.startswith("[")]
    assert [turn.emotion for turn in said] == [Reading("angry", 0.93), Reading("neutral", 0.6)]
    assert [felt.label for felt in found.emotions] == ["angry", "neutral"]
    assert found.emotions[0].start == pytest.approx(3.0, abs=0.7)
    assert all(turn.emotion is None for turn in found.turns if turn.party == "agent")


def test_sentiment_belongs_to_the_turn_it_was_asked_about():
    found = analyze(recorded(felt_call()))
    read = {turn.text: turn.sentiment for turn in found.turns if turn.sentiment}
    assert read == {
        "This is the third time I call!": Reading("negative", 0.8),
        "Thank you, that helps.": Reading("positive", 0.7),
    }


def test_a_stretch_that_went_on_is_told_once_as_it_was_heard_last():
    bench = Bench(FEELING, speech=((3.0, 4.5), (4.62, 6.5)), words=("I said", "I said I wait."))
    bench.emotion = ("sad", 0.5)
    found = analyze(recorded(bench.run(9)))
    (felt,) = found.emotions
    assert felt.end - felt.start > 3


def test_the_feeling_of_a_turn_is_that_of_most_of_it():
    stretches = [Felt(0, 4, "neutral", 0.6), Felt(4, 5, "angry", 0.9), Felt(5, 6, "neutral", 0.8)]
    assert overall(stretches) == Reading("neutral", 0.64)
    assert overall([]) is None
