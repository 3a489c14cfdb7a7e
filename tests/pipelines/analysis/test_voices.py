"""Who spoke when: by the windows and the sound of recorded calls."""

from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import events as ev
from pipelines.analysis.voices import Span, between, common, joined, voices
from pipelines.replay.dump import Dump, Step, read_dump
from tests.golden.behaviours import FOLDER
from tests.helpers.analysis import recorded
from tests.helpers.bench import SETTINGS, Bench
from tests.helpers.replay import meta, two_parties

spans = st.lists(st.tuples(st.integers(0, 10_000_000), st.integers(1, 2_000_000)).map(lambda x: Span(x[0], sum(x))))


def within(span: Span, start: float, end: float) -> bool:
    """To a window and a half: voice activity looks at 32 ms."""
    return abs(span.start / 1e6 - start) < 0.05 and abs(span.end / 1e6 - end) < 0.05


def test_the_caller_is_heard_when_he_spoke():
    first, second = voices(recorded(Bench(speech=((3.0, 4.0), (9.5, 11.0))).run(14))).caller
    assert within(first, 3.0, 4.0)
    assert within(second, 9.5, 11.0)


def test_a_word_that_was_not_over_when_the_recording_ended_counts():
    (span,) = voices(recorded(Bench(speech=((3.0, 9.0),)).run(5))).caller
    assert within(span, 3.0, 5.0)


def test_turns_stand_in_for_windows_that_are_not_there():
    assert [(span.start, span.end) for span in voices(two_parties()).caller] == [
        (7_400_000, 11_500_000),
        (15_000_000, 19_700_000),
        (27_400_000, 29_000_000),
    ]


def test_the_agent_is_what_was_played_and_not_what_was_cleared():
    dump = read_dump(FOLDER / "interruption")
    cut = next(turn for turn in dump.turns() if turn.interrupted)
    span = voices(dump).agent[1]
    assert abs(span.end / 1e6 - cut.end) < 0.03


def test_music_is_not_the_agent_speaking():
    heard = voices(read_dump(FOLDER / "hold_music"))
    (music,) = heard.music
    assert music.length > 3_000_000
    assert all(not common(music, span) for span in heard.agent)


def test_an_echo_is_nobody_speaking():
    settings = msgspec.structs.replace(SETTINGS, echo=True)
    heard = voices(recorded(Bench(settings, speech=((1.0, 2.0),)).run(4)))
    assert heard.agent == ()


@pytest.mark.parametrize("steps", [(), ((0, ev.CallEnded("caller"), ()),)])
def test_a_call_without_sound_has_no_voices(steps):
    heard = voices(Dump(meta(), tuple(Step(*step) for step in steps)))
    assert (heard.caller, heard.agent, heard.music) == ((), (), ())


@given(spans)
def test_joined_spans_cover_all_and_keep_a_distance(given_spans):
    out = joined(given_spans)
    assert all(any(o.start <= s.start and s.end <= o.end for o in out) for s in given_spans)
    assert all(later.start - earlier.end >= 200_000 for earlier, later in pairwise(out))


@given(spans, st.integers(1, 12_000_000))
def test_what_is_between_spans_and_the_spans_fill_the_call(given_spans, end):
    quiet = list(between(given_spans, end))
    assert all(0 <= q.start < q.end <= end for q in quiet)
    assert not any(common(q, span) for q in quiet for span in given_spans)
    covered = sum(common(span, Span(0, end)) for span in _merged(given_spans))
    assert covered + sum(q.length for q in quiet) == end


def _merged(given_spans):
    out = []
    for span in sorted(given_spans):
        if out and span.start <= out[-1].end:
            out[-1] = Span(out[-1].start, max(out[-1].end, span.end))
        else:
            out.append(span)
    return out
