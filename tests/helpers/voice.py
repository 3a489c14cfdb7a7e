"""Voices that need no weights, and the place where real ones are."""

import os
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import ModelError
from pipelines.models.ports import Audio

RATE = 16_000


def weights(name: str) -> Path:
    """Folder of the model `name`; the test is skipped where it is not."""
    folder = Path(os.environ.get("ALLO_MODELS") or Path.home() / ".cache" / "allo" / "models") / name
    if not folder.is_dir():
        pytest.skip(f"no weights at {folder}: fetch them with `allo models pull {name}`")
    return folder


def tone(seconds: float, level: float = 0.1, rate: int = RATE) -> Audio:
    return (level * np.sin(2 * np.pi * 400 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def silence(seconds: float, rate: int = RATE) -> Audio:
    return np.zeros(round(seconds * rate), np.float32)


class ToneVoice:
    """Says every sentence as a tone of 0.1 s with silence around; waits at each text until `gate` is open."""

    sample_rate = RATE

    def __init__(self, identity: str = "tone") -> None:
        self.identity = identity
        self.said: list[str] = []
        self.gate = threading.Event()
        self.gate.set()
        self.began = threading.Event()

    def synthesize(self, text: str) -> Iterator[Audio]:
        self.said.append(text)
        self.began.set()
        self.gate.wait(10)
        if "fail" in text:
            raise ModelError("no voice today")
        if "crash" in text:
            raise ValueError("secret words")
        for _ in filter(None, text.split(".")):
            yield np.concatenate((silence(0.3), tone(0.1), silence(0.5)))
