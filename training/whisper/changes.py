"""What a training by low-rank matrices changed, as a file small enough to be carried (`pipelines/models/taught.py`)."""

import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.models import taught
from pipelines.models.ctranslate2_file import tensors
from training.common.errors import DataError
from training.whisper import checkpoint
from training.whisper.convert import convert

_JOINED = "self_attention/linear_0/weight"
"""Projections of queries, keys and values, one below the other, each with matrices of its own."""
_LEVELS = 127
_LEAST = 1e-3  # of the largest singular value: what is less is rounding


def write_changes(best: Path, base: Path, rank: int, file: Path) -> int:
    """From the model at `base`, a folder of the store, to the checkpoint at `best`; returns how many matrices changed. Raises DataError when more
    than matrices of that rank changed, ModelError."""
    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as made:
        after = _read(convert(checkpoint.load(str(best)), Path(made) / "after", "float32") / "model.bin")
    found = {}
    for name, old in _read(base / "model.bin").items():
        difference = np.asarray(after[name], np.float64) - np.asarray(old, np.float64)
        if not difference.any():
            continue
        if old.ndim != 2:
            raise DataError(
                f"{best}: {name} has changed and is no matrix. Train with `lora`, which changes nothing else."
            )
        for place, rows in enumerate(np.split(difference, 3) if name.endswith(_JOINED) else [difference]):
            if rows.any():
                found[name, place * len(rows)] = low_rank(rows, rank, name)
    taught.write(found, file)
    return len(found)


def low_rank(difference: NDArray[np.float64], rank: int, name: str) -> taught.Change:
    """The change that makes `difference` (out, in), rounded. Raises DataError when it has more than `rank` dimensions."""
    left, strength, right = np.linalg.svd(difference, full_matrices=False)
    if strength[rank:].max(initial=0.0) > _LEAST * strength[0]:
        raise DataError(f"{name} has changed in more than {rank} dimensions: give the training's rank.")
    # Rows of `down` are as large as each other, so that one step does for all of them; how much each counts is left to `up`.
    peaks = np.abs(right[:rank]).max(axis=1, keepdims=True)
    up = left[:, :rank] * strength[:rank] * peaks.T
    step = np.abs(up).max(axis=1, keepdims=True) / _LEVELS
    step[step == 0] = 1.0
    return taught.Change(
        np.rint(up / step).astype(np.int8),
        np.rint(right[:rank] / peaks * _LEVELS).astype(np.int8),
        (step[:, 0] / _LEVELS).astype(np.float32),
    )


def _read(path: Path) -> dict[str, NDArray]:
    data = path.read_bytes()
    return {tensor.name: tensor.read(data) for tensor in tensors(data, path)}
