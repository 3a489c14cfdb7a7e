"""Thirty real recordings of three speakers, and recipes small enough to be trained in seconds."""

from pathlib import Path

import pytest
import torch

from training.ctc.recipe import CtcRecipe

DATA = Path(__file__).parents[2] / "data"
LETTERS = "efghinorstuvwxz"


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
def recipe():
    """Of a net of 16 numbers a frame; any key of its tables can be changed."""

    def make(**tables) -> CtcRecipe:
        table = {
            "name": "small",
            "data": {
                "manifests": ["digits/manifest.jsonl"],
                "alphabet": LETTERS,
                "validation": ["fsdd-jackson"],
                "test": ["fsdd-theo"],
                "batch": 5,
            },
            "net": {"net": "mlp", "layers": 1, "width": 16, "kernel": 3, "stride": 2, "heads": 2},
            "loop": {
                "steps": 6,
                "evaluate_every": 3,
                "checkpoint_every": 2,
                "learning_rate": 0.01,
                "tensorboard": False,
            },
        }
        for name, values in tables.items():
            table[name] = {**table[name], **values} if isinstance(table.get(name), dict) else values
        return CtcRecipe.model_validate(table)

    return make
