"""Speakers of a call that told them apart itself."""

import msgspec
import pytest

from pipelines import events as ev
from pipelines.analysis.analysis import KnownCaller, decode, encode
from pipelines.analysis.analyze import analyze
from pipelines.analysis.speakers import is_other, names
from tests.helpers.analysis import recorded
from tests.helpers.bench import SETTINGS, Bench
from tests.pipelines.turns.test_voices import CALLER, OTHER

WORDS = {
    "en": ("I would like an appointment, please.", "Who ate my sandwich?", "On Friday."),
    "fr": ("Je voudrais un rendez-vous.", "Qui a mangé mon sandwich ?", "Vendredi."),
}


def call(language: str = "en", known: ev.CallerKnown | None = None, **settings) -> Bench:
    words = tuple((text, language, 0.99) for text in WORDS[language])
    bench = Bench(
        msgspec.structs.replace(SETTINGS, **settings), speech=((2.5, 6.5), (13.0, 14.5), (18.0, 22.0)), words=words
    )
    bench.voice = lambda second: OTHER if 12 < second < 16 else CALLER
    bench.known = lambda voice: known
    return bench.run(27)


@pytest.mark.parametrize("language", ["en", "fr"])
def test_each_has_his_name(language):
    found = analyze(recorded(call(language, follow=True)))
    said = [(turn.party, turn.speaker, turn.text) for turn in found.turns if turn.party != "agent"]
    first, foreign, last = WORDS[language]
    assert said == [("caller", "caller", first), ("other", "other 1", foreign), ("caller", "caller", last)]
    assert names(found.speakers) == ["caller", "other 1"]
    assert [is_other(turn) for turn in found.turns if turn.party != "agent"] == [False, True, False]
    assert found.talk["caller"].words == len(f"{first} {last}".split())
    assert decode(encode(found)) == found


def test_a_known_caller_has_his_name_from_the_beginning():
    found = analyze(recorded(call(known=ev.CallerKnown("Anne", 0.9137, 0.82), follow=True, identify=True)))
    assert found.known_caller == KnownCaller("Anne", 0.914, 0.82)
    assert names(found.speakers) == ["Anne", "other 1"]


def test_where_voices_are_not_told_apart_nobody_has_a_name():
    found = analyze(recorded(call()))
    assert found.speakers == ()
    assert {turn.speaker for turn in found.turns} == {""}
