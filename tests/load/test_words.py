"""The table of word error rates: what it counts, and that it runs on two recordings with the real models."""

import tomllib

import pytest
from rich.console import Console

from tests.helpers.hearing import weights
from tests.load import turns, words_table
from tests.load.words_table import Scored
from training.common.measures import Errors

CLIPS = turns.SCRIPTS.parent / "clips"


def scored(way: str, errors: int, words: int = 10, subset: str = "en_some") -> Scored:
    return Scored(subset, way, Errors(errors, words), (100.0,))


def test_all_words_count_alike_and_the_difference_is_in_points() -> None:
    some = [
        scored("offline", 1),
        scored("offline", 2, 30, "fr_some"),
        scored("call", 3),
        scored("call", 3, 30, "fr_some"),
    ]
    assert words_table.rate(some, "call", "en_some") == pytest.approx(30)
    assert words_table.rate(some, "call") == pytest.approx(15)
    points, low, high = words_table.difference(some, "call")
    assert points == pytest.approx(100 * 3 / 40)
    assert low == pytest.approx(100 / 30)  # only the French clip drawn
    assert high == pytest.approx(20)


def test_two_recordings_are_heard_in_every_way() -> None:
    models = weights("whisper-base", "model.bin").parent
    weights("silero-vad")
    texts = tomllib.loads((CLIPS / "clips.toml").read_text())
    clips = [
        words_table.read_clip(CLIPS / f"{name}.flac", texts[name]["text"], name[:2], f"{name[:2]}_clips")
        for name in ("en_tuesday", "fr_mardi_ouvert")
    ]
    found = words_table.measure(clips, words_table.ways_of(models, threads=1), Console(quiet=True))
    assert [(one.subset, one.way) for one in found] == [(c.subset, way) for c in clips for way in words_table.WAYS]
    assert all(one.errors.errors < one.errors.total / 2 for one in found)
    assert all(one.took_ms for one in found)
    shown = words_table.table(found)
    assert list(shown.columns[0].cells) == list(words_table.WAYS)
    assert set(shown.columns[5].cells) <= {"", "yes", "no"}
