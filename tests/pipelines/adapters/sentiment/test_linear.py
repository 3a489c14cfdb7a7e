import numpy as np
import pytest

from pipelines.adapters import kinds
from pipelines.adapters.sentiment.linear import LinearSentiment
from pipelines.errors import ModelError
from pipelines.nets.sentiment_words import BUCKETS, LEXICAL, SIZE


def model(folder):
    weights = np.zeros((3, SIZE), np.float32)
    weights[2, BUCKETS + LEXICAL.index("leans_positive")] = 5
    weights[0, BUCKETS + LEXICAL.index("leans_negative")] = 5
    np.savez(folder / "linear.npz", weights=weights, bias=np.array([0, 1, 0], np.float32))
    (folder / "lexicon_en.txt").write_text("# words\nhappy\t3\n")
    (folder / "lexicon_fr.txt").write_text("content\t3\n")
    return folder


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("I am happy", "en", "positive"),
        ("I am not happy", "en", "negative"),
        ("It is Tuesday", "en", "neutral"),
        ("Je suis content", "fr", "positive"),
        ("Je ne suis pas content", "fr", "negative"),
        ("I am happy", "de", "positive"),
        ("", "en", "neutral"),
        ("...", "fr", "neutral"),
    ],
)
def test_what_is_said(tmp_path, text, language, expected):
    found = kinds.load("sentiment", "sentiment-linear", model(tmp_path)).analyze(text, language)
    assert list(found) == ["negative", "neutral", "positive"]
    assert sum(found.values()) == pytest.approx(1)
    assert max(found, key=found.__getitem__) == expected


def test_a_broken_folder_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"linear\.npz"):
        LinearSentiment(tmp_path)
    model(tmp_path)
    (tmp_path / "lexicon_fr.txt").write_text("content\n")
    with pytest.raises(ModelError, match=r"lexicon_fr\.txt"):
        LinearSentiment(tmp_path)
    np.savez(tmp_path / "linear.npz", weights=np.zeros((3, 7)), bias=np.zeros(3))
    with pytest.raises(ModelError, match="weights"):
        LinearSentiment(tmp_path)
