import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.adapters.stt.context import (
    FULL,
    Decoded,
    Plan,
    better,
    doubtful,
    echo,
    plans,
    runs_away,
    settled,
    speechless,
)

PLAN = Plan(1_000, 5, 24)
DIGITS = [20, 20, 20, 20, 20]


def decoded(text="I would like an appointment", tokens=range(6), log_prob=-0.2, p_no_speech=0.05):
    return Decoded(text, list(tokens), log_prob, p_no_speech)


@given(frames=st.integers(5, FULL), final=st.booleans(), beam=st.integers(1, 8))
def test_every_try_holds_the_whole_utterance_and_fits_the_model(frames, final, beam):
    tries = plans(frames, final=final, beam=beam)
    assert all(frames <= plan.frames <= FULL and plan.beam <= beam for plan in tries)
    assert len(set(tries)) == len(tries)
    assert [(plan.frames, plan.beam) for plan in tries] == sorted((plan.frames, plan.beam) for plan in tries)
    assert tries[-1].frames == FULL or not final


def test_a_partial_is_one_greedy_try():
    [plan] = plans(200, final=False, beam=5)
    assert plan.beam == 1
    assert plan.frames < plans(200, final=True, beam=5)[0].frames


def test_there_is_room_for_the_fastest_talker():
    assert plans(200, final=True, beam=5)[0].max_tokens >= 2 * 7


@pytest.mark.parametrize(
    ("tokens", "length"),
    [
        ([1, 2, 3, 4], 0),
        ([1, 2, 3, 1, 2, 3], 0),
        ([1, 2, 3, 4, 1, 2, 3, 4], 4),
        ([9, 1, 2, 3, 4, 5, 1, 2, 3, 4], 4),
        (DIGITS, 4),
        ([1, 2, 3, 4, 1, 2, 3, 4, 5], 0),
        ([], 0),
    ],
)
def test_an_echo_is_what_the_end_only_repeats(tokens, length):
    assert echo(tokens) == length


@given(st.lists(st.integers(0, 3), max_size=30))
def test_an_echo_really_repeats(tokens):
    length = echo(tokens)
    if length:
        tail = tokens[-length:]
        assert any(tokens[-length - p : len(tokens) - p] == tail for p in range(1, len(tokens) - length + 1))


def test_what_does_not_end_or_repeats_is_doubted():
    assert runs_away(decoded(tokens=range(24)), PLAN)
    assert runs_away(decoded(tokens=[1, 2, 3, 4] * 2), PLAN)
    assert runs_away(decoded(text="1,000," * 30), PLAN)
    assert runs_away(decoded(text="mo'a'a'a'a.", tokens=[7, 1, 2, 1, 2, 1, 2, 1, 2, 5]), PLAN)
    assert not runs_away(decoded(text="mo'a'a'a'a b", tokens=[7, 1, 2, 1, 2, 1, 2, 1, 2, 5]), PLAN)
    assert not runs_away(decoded(), PLAN)


def test_an_improbable_phrase_is_doubted_but_not_a_short_answer():
    assert doubtful(decoded(log_prob=-1.4), PLAN)
    assert not doubtful(decoded("Yes.", [1, 2], log_prob=-1.4), PLAN)


def test_likely_greedy_words_need_no_beam():
    greedy, beam, full = plans(200, final=True, beam=5)
    assert (greedy.beam, greedy.frames) == (1, beam.frames)
    assert beam.frames < full.frames == FULL
    assert settled(decoded(log_prob=-0.3), greedy)
    assert not settled(decoded(log_prob=-0.5), greedy)
    assert settled(decoded(log_prob=-0.5), beam)
    assert not settled(decoded(tokens=[1, 2, 3, 4] * 2, log_prob=-0.1), greedy)


def test_of_two_tries_one_that_ends_is_kept_before_one_that_is_likelier():
    loop, phrase = decoded(tokens=[1] * 20, log_prob=-0.1), decoded(log_prob=-0.9)
    assert better(loop, phrase, PLAN) is phrase
    assert better(phrase, loop, PLAN) is phrase
    assert better(phrase, decoded(log_prob=-0.5), PLAN).mean_log_prob == -0.5


def test_thanks_are_heard_and_the_thanks_of_silence_are_not():
    assert not speechless(decoded("Thank you.", [1, 2, 3], -0.3, 0.2))
    assert speechless(decoded("Thank you.", [1, 2, 3], -0.9, 0.72))
    assert speechless(decoded("I'm not sure.", [1, 2, 3, 4], -1.6, 0.4))  # unlikely words, and perhaps nobody
    assert not speechless(decoded("Nine.", [1, 2], -1.6, 0.1))
    assert not speechless(decoded("Three.", [1, 2], -0.6, 0.45))
    assert speechless(decoded("Sous-titres réalisés par la communauté d'Amara.org", p_no_speech=0.3))
