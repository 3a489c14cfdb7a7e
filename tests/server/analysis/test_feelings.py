"""Feeling of calls whose server had no models for it."""

import numpy as np

from pipelines.analysis.analysis import Reading
from pipelines.analysis.analyze import analyze
from server.analysis.feelings import with_feelings
from tests.helpers.analysis import recorded
from tests.helpers.replay import two_parties
from tests.pipelines.analysis.test_analyze import felt_call


class Level:
    """Emotion by loudness: whoever is heard at all is angry."""

    labels = ("angry", "neutral")

    def __init__(self):
        self.lengths = []

    def recognize(self, audio):
        assert audio.dtype == np.float32
        assert np.abs(audio).max() <= 1
        self.lengths.append(len(audio) / 16_000)
        loud = float(np.sqrt(np.mean(audio**2)) > 0.005)
        return {"angry": 0.9 * loud, "neutral": 1 - 0.9 * loud}


class Wordlist:
    def analyze(self, text, language):
        assert language == "en"
        return {"positive": 0.8, "negative": 0.1, "neutral": 0.1} if "Sure" in text else {"neutral": 1.0}


def test_each_turn_of_the_caller_is_heard_where_he_spoke():
    level = Level()
    analysis = with_feelings(analyze(two_parties()), two_parties(), level, None)
    told = [turn.emotion for turn in analysis.turns]
    assert told == [None, Reading("angry", 0.9), None, Reading("angry", 0.9), None, Reading("angry", 0.9)]
    assert [round(length, 1) for length in level.lengths] == [4.5, 5.1, 1.9]  # the last one ends with the call
    assert [(felt.start, felt.label) for felt in analysis.emotions] == [
        (7.4, "angry"),
        (15.0, "angry"),
        (27.4, "angry"),
    ]
    assert all(turn.sentiment is None for turn in analysis.turns)


def test_sentiment_is_of_the_words():
    analysis = with_feelings(analyze(two_parties()), two_parties(), None, Wordlist())
    read = [turn.sentiment and turn.sentiment.label for turn in analysis.turns]
    assert read == [None, "positive", None, "neutral", None, "neutral"]


def test_what_the_call_was_told_stays():
    dump = recorded(felt_call())
    analysis = analyze(dump)
    level = Level()
    assert with_feelings(analysis, dump, level, Wordlist()) == analysis
    assert level.lengths == []


def test_without_models_nothing_changes():
    analysis = analyze(two_parties())
    assert with_feelings(analysis, two_parties(), None, None) == analysis
