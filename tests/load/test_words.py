"""The table of word error rates: what it counts, and that it runs on two recordings with the real models."""

import tomllib

import pytest
from rich.console import Console

from tests.helpers.hearing import weights
from tests.load import turns, words_heard, words_table
from tests.load.words_heard import Clip, Heard
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
    assert words_table.compared(some, "call", "en_some").rate == pytest.approx(30)
    both = words_table.compared(some, "call")
    assert both.rate == pytest.approx(15)
    assert both.points == pytest.approx(100 * 3 / 40)
    low, high = both.interval
    assert low == pytest.approx(100 / 30)  # only the French clip drawn
    assert high == pytest.approx(20)


def test_a_set_is_compared_with_itself_alone() -> None:
    some = [
        scored("offline", 1),
        scored("offline", 9, 10, "fr_some"),
        scored("call", 2),
        scored("call", 9, 10, "fr_some"),
    ]
    [_, row] = words_table.rows(some)
    assert row.sets["en_some"].points == pytest.approx(10)
    assert row.sets["fr_some"].points == row.sets["fr_some"].interval[0] == 0
    assert not row.within


def test_what_was_heard_once_is_kept(tmp_path) -> None:
    asked = []

    def hear(clip: Clip) -> Heard:
        asked.append(clip)
        return Heard(f"words {len(asked)}", (1.0,))

    one, other = Clip("a", "en", "", b"one"), Clip("a", "en", "", b"other")
    kept = words_heard.kept(hear, tmp_path / "kept")
    assert kept(one) == kept(one) == Heard("words 1", (1.0,))
    assert kept(other).text == "words 2"
    assert words_heard.kept(hear, tmp_path / "kept")(other).text == "words 2"
    assert words_heard.kept(hear, None)(other).text == "words 3"


def test_two_recordings_are_heard_in_every_way_and_the_same_again(tmp_path) -> None:
    models = weights("whisper-base", "model.bin").parent
    weights("silero-vad")
    texts = tomllib.loads((CLIPS / "clips.toml").read_text())
    clips = [
        words_heard.read_clip(CLIPS / f"{name}.flac", texts[name]["text"], name[:2], f"{name[:2]}_clips")
        for name in ("en_tuesday", "fr_mardi_ouvert")
    ]
    ways = words_heard.ways_of(models, threads=1, kept_in=tmp_path)
    found = words_table.measure(clips, ways, Console(quiet=True))
    assert [(one.subset, one.way) for one in found] == [(c.subset, way) for c in clips for way in ways]
    assert all(one.errors.errors < one.errors.total / 2 for one in found)
    assert all(one.took_ms for one in found)
    again = words_table.measure(clips, ways, Console(quiet=True))
    assert [(one.way, one.heard) for one in again] == [(one.way, one.heard) for one in found]
    shown = words_table.table(found)
    assert list(shown.columns[0].cells) == list(ways)
    assert set(shown.columns[4].cells) <= {"", "yes", "no"}
