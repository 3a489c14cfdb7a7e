"""Each speaker of a small recipe left out in turn, by two seeds, killed in between and gone on with."""

import re

import pytest

from training.common.errors import RecipeError
from training.ctc.unseen import unseen


def test_a_row_for_each_speaker_and_one_for_all(data, recipe, tmp_path):
    small = recipe(words=True)
    table = unseen(small, data, tmp_path, seeds=2, say=lambda _: None)
    rows = re.findall(r"^\| (\S+) \| (\d+) \| .* by seed [\d., ]+\) \| .* by seed [\d., ]+\) \|$", table, re.MULTILINE)
    assert rows == [("fsdd-george", "10"), ("fsdd-jackson", "10"), ("fsdd-theo", "10"), ("all", "30")]
    files = sorted(tmp_path.glob("fsdd-*.json"))
    assert len(files) == 6
    times = {file: file.stat().st_mtime_ns for file in files[1:]}
    files[0].unlink()
    assert unseen(small, data, tmp_path, seeds=2, say=lambda _: None) == table  # the same figures, made again
    assert {file: file.stat().st_mtime_ns for file in files[1:]} == times
    with pytest.raises(RecipeError, match="another recipe"):
        unseen(recipe(), data, tmp_path, say=lambda _: None)


def test_the_speakers_may_be_named(data, recipe, tmp_path):
    table = unseen(recipe(), data, tmp_path / "a", speakers=["fsdd-theo"], say=lambda _: None)
    assert "fsdd-theo" in table
    assert "fsdd-george" not in table
    with pytest.raises(RecipeError, match="no clip is by nobody"):
        unseen(recipe(), data, tmp_path / "b", speakers=["nobody"], say=lambda _: None)
