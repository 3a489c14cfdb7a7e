"""Sentences said by a voice, through a telephone, understood by a recogniser, judged."""

import pytest

pytest.importorskip("jiwer")
pytest.importorskip("py_nanotts")

from pipelines.adapters.stt.faster_whisper import FasterWhisper
from pipelines.models.store import Store
from training.sentiment.data import Sentence
from training.sentiment.spoken import spoken


class ByOneWord:
    def analyze(self, text: str, language: str) -> dict[str, float]:
        bad = "terrible" in text.lower()
        return {"negative": float(bad), "neutral": float(not bad), "positive": 0.0}


def test_what_is_heard_is_judged(tmp_path):
    store = Store()
    if "whisper-tiny.en" not in {status.card.name for status in store.list() if status.state == "ready"}:
        pytest.skip("allo models pull whisper-tiny.en")
    stt = FasterWhisper(store.path("whisper-tiny.en"), threads=1, beam=1)
    sentences = [
        Sentence("Your service is terrible.", 0, "en", "test"),
        Sentence("My name is Martin.", 1, "en", "test"),
        Sentence("Oui.", 1, "fr", "test"),
    ]
    found = spoken(sentences, "en", ["pico"], stt, ByOneWord(), tmp_path)
    assert found["sentences"] == 2  # those of the language
    assert found["written"] == 1.0
    assert found["heard"] == 1.0
    assert found["word_errors"] < 0.3
