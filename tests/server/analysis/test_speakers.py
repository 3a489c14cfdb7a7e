"""Who of two on the caller's line said what: told while the call went on, and told afterwards."""

import pytest

from pipelines.analysis.analyze import analyze
from pipelines.analysis.speakers import names
from server.analysis.findings import transcript
from server.analysis.page import render
from server.analysis.speakers import with_speakers
from tests.helpers.replay import two_parties
from tests.helpers.two_voices import SCENES, encoder, two_voices


def by_speaker(analysis) -> dict[str, set[str]]:
    """What each is found to have said, of turns that lasted a second: in less a voice is hard to tell."""
    told: dict[str, set[str]] = {}
    for turn in analysis.turns:
        if turn.party != "agent" and turn.end - turn.start >= 1.0:
            told.setdefault(turn.speaker, set()).add(turn.text)
    return told


@pytest.mark.parametrize("language", ["en", "fr"])
def test_a_call_that_follows_its_caller_keeps_the_others_words_as_the_others(language):
    first, foreign, last = (words for _, words in SCENES[language])
    dump = two_voices(language, follow=True)
    asked = [turn for turn in dump.turns() if turn.party == "other"]
    assert asked
    assert {turn.speaker for turn in asked} == {"other 1"}
    found = analyze(dump)
    assert names(found.speakers) == ["caller", "other 1"]
    assert foreign in by_speaker(found)["other 1"]
    assert by_speaker(found)["other 1"] == {foreign}
    assert {first, last} <= by_speaker(found)["caller"]
    assert found.talk["caller"].turns == len([turn for turn in dump.turns() if turn.party == "caller"])
    assert {"en": "somebody else: ", "fr": "quelqu'un d'autre : "}[language].rstrip(" :") in transcript(found, language)
    page = render(found, dump)
    assert "&#9632; other 1" in page
    assert "left out" in page


@pytest.mark.parametrize("language", ["en", "fr"])
def test_afterwards_both_are_told_apart(language):
    _, foreign, last = (words for _, words in SCENES[language])
    dump = two_voices(language, follow=False)
    before = analyze(dump)
    assert before.speakers == ()
    found = with_speakers(before, dump, encoder(), dump.meta.settings)
    told = by_speaker(found)
    assert set(told) == {"caller", "other 1"}
    assert told["other 1"] == {foreign}
    assert last in told["caller"]
    assert [turn.party for turn in found.turns] == [turn.party for turn in before.turns]  # the call took them for his


def test_somebody_who_is_alone_is_the_caller():
    dump = two_parties()
    found = with_speakers(analyze(dump), dump, encoder(), dump.meta.settings)
    assert names(found.speakers) == ["caller"]
    assert {turn.speaker for turn in found.turns if turn.party == "agent"} == {""}
