"""Hugging Face data sets, as the library `datasets` saves them; skipped where it is not installed."""

import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from training.common import huggingface, importers
from training.common.errors import DataError


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install .allo\[hugging-face\]"):
        huggingface.read(str(tmp_path), tmp_path)


@pytest.fixture
def rows(tmp_path: Path):
    datasets = pytest.importorskip("datasets")
    sound = tmp_path / "one.wav"
    soundfile.write(sound, 0.1 * np.sin(np.arange(8_000) / 5), 8_000)
    table = {
        "audio": [{"bytes": sound.read_bytes(), "path": "one.wav"}, {"bytes": None, "path": str(sound)}, None],
        "sentence": ["Un.", "Deux.", "Trois."],
        "client_id": ["anne", "paul", "paul"],
        "locale": ["fr", "fr", "fr"],
    }
    return datasets.Dataset.from_dict(table).cast_column("audio", datasets.Audio(decode=False))


@pytest.mark.parametrize("saved", ["disk", "splits", "parquet"])
def test_a_saved_data_set_comes_in_with_its_problems(rows, tmp_path, saved):
    import datasets

    source = tmp_path / "set"
    if saved == "disk":
        rows.save_to_disk(source)
    elif saved == "splits":
        datasets.DatasetDict({"train": rows, "test": rows.select([0])}).save_to_disk(source)
    else:
        source.mkdir()
        rows.to_parquet(source / "train-00000-of-00001.parquet")
        rows.select([0]).to_parquet(source / "test-00000-of-00001.parquet")
    counts: list[int] = []
    found = huggingface.read(str(source), tmp_path / "clips", counted=counts.append)
    clips, problems = importers.check(found, language="en")
    assert counts == [3]
    assert [(clip.text, clip.language, clip.speaker, clip.duration) for clip in clips] == [
        ("Un.", "fr", "anne", 1.0),
        ("Deux.", "fr", "paul", 1.0),
    ]
    assert clips[0].audio.parent == (tmp_path / "clips").resolve()
    assert [str(problem) for problem in problems] == [
        f"{source}[train]:3: text with no audio: the recording is missing"
    ]


def test_what_is_no_data_set_is_refused_by_name(rows, tmp_path):
    (tmp_path / "set").mkdir()
    with pytest.raises(DataError, match="neither a saved data set nor"):
        huggingface.read(str(tmp_path / "set"), tmp_path)
    rows.remove_columns("sentence").save_to_disk(tmp_path / "mute")
    with pytest.raises(DataError, match="no column 'sentence'"):
        huggingface.read(str(tmp_path / "mute"), tmp_path)
