"""Thirty real recordings of three speakers, and a recipe small enough to be trained in seconds."""

import json
from pathlib import Path

import pytest
import torch

from training.speakers.recipe import SpeakersRecipe

DATA = Path(__file__).parents[2] / "data"


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def data() -> Path:
    return DATA


@pytest.fixture
def people(tmp_path) -> Path:
    """A data folder in which the recordings are those of six people, 6 s each and more."""
    lines = [json.loads(line) for line in (DATA / "digits" / "manifest.jsonl").read_text().splitlines()]
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "manifest.jsonl").write_text(
        "\n".join(
            json.dumps({**line, "audio": str(DATA / "digits" / line["audio"]), "speaker": f"s{i % 6}"})
            for i, line in enumerate(lines * 4)
        )
    )
    return tmp_path


@pytest.fixture
def recipe():
    """Any key of its tables can be changed."""

    def make(**tables) -> SpeakersRecipe:
        table = {
            "name": "small",
            "data": {"split": ["people/manifest.jsonl"], "validation_share": 0.3},
            "net": {"channels": 16, "size": 16, "pooled": 16, "attention": 8},
            "variety": {"speeds": [1.0, 0.9], "variations": 2, "crop_s": [0.8, 1.0]},
            "loop": {"steps": 4, "evaluate_every": 2, "checkpoint_every": 2, "tensorboard": False},
            "batch": 4,
        }
        for name, values in tables.items():
            table[name] = {**table.get(name, {}), **values} if isinstance(values, dict) else values
        return SpeakersRecipe.model_validate(table)

    return make
