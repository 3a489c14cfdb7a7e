"""What the bench of turn-taking counts, on a call written by hand: the agent answers two words of 0.6 s each after a
filler of 0.2 s, at 8 kHz, and is silenced in the middle."""

from datetime import UTC, datetime

import numpy as np
import pytest

from pipelines import actions as do
from pipelines import events as ev
from pipelines.audio.g711 import decode, encode
from pipelines.frames import AudioFormat, Encoding
from pipelines.replay.dump import Dump, Meta, Step
from pipelines.turns.policy import CallSettings, Phrases
from pipelines.units import SECOND
from server.caller.ear import Ear
from tests.load import turn_table, turns
from tests.load.turn_counts import (
    Answer,
    Covered,
    Span,
    answer,
    answered,
    cleared,
    covered,
    cut_off,
    memories,
    pieces,
    words_of,
    yielded,
)
from tests.load.turn_table import Measured

RATE = 8_000
WIRE = AudioFormat(Encoding.MULAW, RATE)
PHRASES = Phrases(greeting="Hi.", prompt="?", goodbye="Bye.", apology="Sorry.", fillers=("Let me look.",))
FILLER, FIRST, SECOND_WORD = 0, 1, 2


def us(seconds: float) -> int:
    return round(seconds * SECOND)


def span(start: float, end: float) -> Span:
    return Span(us(start), us(end))


def speech(seconds: float, seed: int, lead: float = 0.0) -> bytes:
    """Mu-law audio that occurs once, loud after `lead` seconds of silence."""
    pcm = np.random.default_rng(seed).integers(2_000, 8_000, int(seconds * RATE)).astype(np.int16)
    pcm[: int(lead * RATE)] = 0
    return encode(pcm, Encoding.MULAW)


AUDIO = {FILLER: speech(0.2, 0), FIRST: speech(0.6, 1, lead=0.01), SECOND_WORD: speech(0.6, 2)}


def caller(start: float, end: float) -> do.TurnTaken:
    return do.TurnTaken(do.Turn("caller", "words", "words", start, end))


def agent(start: float, end: float, parts: dict[str, float]) -> do.TurnTaken:
    gap = sum(parts.values())
    return do.TurnTaken(do.Turn("agent", "one two", "one", start, end, gap, parts, "en", True))


def step(seconds: float, event: ev.Event, *actions: do.Action) -> Step:
    return Step(us(seconds), event, actions)


TICK = ev.DeadlineReached("playout")


@pytest.fixture
def call() -> tuple[Dump, Ear]:
    """He speaks from 1.0 to 2.0 s; hears a filler at 2.5, the answer from 3.0, and nothing after 3.9."""
    ear = Ear(RATE)
    for at, chunk in ((2.5, FILLER), (3.0, FIRST), (3.6, SECOND_WORD)):
        ear.receive(decode(AUDIO[chunk], Encoding.MULAW), us(at))
    ear.clear(us(3.9))
    steps = (
        step(2.3, TICK, caller(1.0, 2.0), do.StartReply(1, "words", "en")),
        step(2.4, TICK, do.Synthesize(1, FILLER, "Let me look.", "en"), do.Synthesize(1, FIRST, "one", "en")),
        step(2.4, TICK, do.Synthesize(1, SECOND_WORD, "two", "en")),
        *(step(2.45, ev.SpeechSynthesized(1, chunk, audio)) for chunk, audio in AUDIO.items()),
        step(
            3.9, TICK, do.ClearMedia(), do.CancelReply(1), do.Remember(1, "one"), agent(2.5, 3.9, {"endpointing": 0.5})
        ),
    )
    meta = Meta("CA1", "twilio", "a", WIRE, WIRE, CallSettings(phrases={"en": PHRASES}), datetime.now(UTC))
    return Dump(meta, steps), ear


def test_audio_is_found_in_the_ear_as_far_as_it_was_heard(call: tuple[Dump, Ear]) -> None:
    dump, ear = call
    found = pieces(dump, ear.wave(us(6.0)))
    assert [(p.chunk, p.start, p.heard, p.whole) for p in found] == [
        (FILLER, us(2.5), us(0.2), us(0.2)),
        (FIRST, us(3.01), us(0.6), us(0.6)),
        (SECOND_WORD, us(3.6), us(0.3), us(0.6)),
    ]
    assert [p.filler for p in found] == [True, False, False]


def test_audio_that_never_played_is_not_found(call: tuple[Dump, Ear]) -> None:
    dump, ear = call
    assert [p.chunk for p in pieces(dump, ear.wave(us(2.8)))] == [FILLER]


def test_a_filler_is_a_sound_but_no_word_of_the_answer(call: tuple[Dump, Ear]) -> None:
    dump, ear = call
    heard = answer(dump, ear, pieces(dump, ear.wave(us(6.0))), span(1.0, 2.0), us(6.0))
    assert heard is not None
    assert (heard.first, heard.word, heard.parts) == (0.5, 1.01, {"endpointing": 0.5})


def test_there_is_no_gap_where_nobody_answers_or_the_agent_never_stopped(call: tuple[Dump, Ear]) -> None:
    dump, ear = call
    assert answer(dump, ear, [], span(4.0, 5.0), us(6.0)) is None
    assert answer(dump, ear, [], span(1.0, 3.2), us(6.0)) is None
    assert answer(dump, ear, [], span(1.0, 2.65), us(6.0)) is None  # between the filler and the answer


@pytest.mark.parametrize(
    ("start", "end", "times"),
    [
        (1.0, 2.0, 0),  # taken after its end
        (1.0, 3.5, 1),  # taken in a pause of it
        (2.1, 3.5, 0),  # what was taken then is what he had said before
    ],
)
def test_a_turn_is_cut_off_when_it_is_taken_before_the_utterance_ends(
    call: tuple[Dump, Ear], start: float, end: float, times: int
) -> None:
    assert cut_off(call[0], span(start, end)) == times


def test_a_clear_is_blamed_on_a_sound_up_to_a_second_and_a_half_after_it(call: tuple[Dump, Ear]) -> None:
    dump, _ = call
    assert cleared(dump, span(3.6, 4.0)) == us(3.9)
    assert cleared(dump, span(2.2, 2.5)) == us(3.9)
    assert cleared(dump, span(2.0, 2.3)) is None
    assert cleared(dump, span(4.0, 4.3)) is None


def test_silence_after_a_sound_lasts_until_the_agent_is_heard_again(call: tuple[Dump, Ear]) -> None:
    dump, ear = call
    assert covered(dump, ear, span(3.6, 3.8), us(6.0)) == Covered(True, None, False)
    ear.receive(decode(AUDIO[SECOND_WORD], Encoding.MULAW), us(4.7))
    taken = covered(dump, ear, span(3.6, 3.8), us(6.0))
    assert taken == Covered(True, pytest.approx(0.8, abs=0.01), False)
    assert taken.resumed
    assert not Covered(True, 1.2).resumed
    assert not Covered(True, 0.5, answered=True).resumed
    assert covered(dump, ear, span(0.2, 0.4), us(6.0)) is None  # over nothing
    ear.receive(decode(AUDIO[FIRST], Encoding.MULAW), us(5.5))
    assert covered(dump, ear, span(5.6, 5.8), us(7.0)) == Covered(False, None, False)


def test_a_sound_is_answered_when_a_turn_holds_nothing_else(call: tuple[Dump, Ear]) -> None:
    dump, _ = call
    assert answered(dump, span(0.9, 2.1))
    assert not answered(dump, span(0.9, 1.3))  # he said more than that


def test_an_interruption_yields_from_its_first_sound_to_silence(call: tuple[Dump, Ear]) -> None:
    dump, ear = call
    assert yielded(dump, ear, span(3.5, 5.0)) == pytest.approx(0.4, abs=0.01)
    assert yielded(dump, ear, span(3.2, 3.6)) == float("inf")
    assert yielded(dump, ear, span(2.0, 2.4)) is None  # over silence: no interruption


def test_memory_of_a_cut_reply_and_the_words_it_had(call: tuple[Dump, Ear]) -> None:
    dump, _ = call
    assert list(memories(dump)) == [(1, "one")]
    assert words_of(dump, 1) == {FIRST: ("one", "en"), SECOND_WORD: ("two", "en")}


def test_callers_alternate_between_languages_and_fill_their_servers() -> None:
    names = turns.by_turns(["a_en", "a_fr", "b_en", "b_fr", "c_en"])
    assert names == ["a_en", "a_fr", "b_en", "b_fr", "c_en"]
    assert turns.by_turns(["a_en", "b_en", "a_fr"]) == ["a_en", "a_fr", "b_en"]
    assert turns.groups(names, 2) == [["a_en", "a_fr"], ["b_en", "b_fr"], ["c_en", "a_en"]]
    assert turns.groups(names, 1) == [[name] for name in names]


def test_the_table_counts_what_was_measured() -> None:
    one = Measured("a_en", (), (0, 2, 0), (0.2, None), (), (), 0.0, 0.0, ())
    cells = turn_table.row([one])
    assert "1 of 3" in cells
    assert "0.20 / 0.20, 1 never" in cells


def test_calls_at_once_have_a_row_for_each_number() -> None:
    alone = Measured("a_en", (Answer(1.0, 1.5, {}),), (0,), (), (), (), 0.0, 0.0, (), calls=1)
    two = [Measured(name, (Answer(2.0, 3.0, {}),), (n,), (), (), (), 0.0, 0.0, (), 2) for n, name in enumerate("ab")]
    shown = turn_table.table([alone, *two], "")
    cells = {str(column.header): list(column.cells) for column in shown.columns}
    assert cells["calls"] == ["1", "2"]
    assert cells["gap"] == ["1.00 / 1.00", "2.00 / 2.00"]
    assert cells["word"] == ["1.50 / 1.50", "3.00 / 3.00"]
    assert cells["cut off"] == ["0 of 1", "1 of 2"]
    assert list(turn_table.table(two, "").columns[0].cells) == ["a", "b", "all"]


def test_every_script_reads_and_its_callers_say_enough() -> None:
    scripts = [turns.load_script(str(path)) for path in sorted(turns.SCRIPTS.glob("*.toml"))]
    kinds = [type(step).__name__ for script in scripts for step in script.step]
    assert kinds.count("Over") >= 50
    assert kinds.count("Interrupt") >= 10
