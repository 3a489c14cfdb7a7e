"""Recorded callers as the recogniser hears them, and models that do as they are told."""

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from numpy.typing import NDArray

from pipelines.audio.g711 import decode, encode
from pipelines.audio.resample import resample
from pipelines.frames import Encoding
from pipelines.models.ports import Audio, Transcript

CLIPS = Path(__file__).parents[1] / "data" / "hearing"
CALLER = Path(__file__).parents[2] / "server" / "caller" / "clips"
_LEAD, _TAIL = 320, 128  # ms of line before and after the words, as a call cuts its utterances


def weights(model: str, *files: str) -> Path:
    """The folder of `model`; the test is skipped when its files are not there."""
    folder = Path(os.environ.get("ALLO_MODELS", "~/.cache/allo/models")).expanduser() / model
    missing = [name for name in files if not (folder / name).is_file()]
    if missing:
        pytest.skip(f"needs {', '.join(missing)} in {folder}: run `allo models pull`")
    return folder


def telephone(path: Path) -> Audio:
    """The recording after a telephone line (8 kHz mu-law), at 16 kHz."""
    samples, rate = soundfile.read(path, dtype="int16")
    narrow = decode(encode(resample(samples, rate, 8_000), Encoding.MULAW), Encoding.MULAW)
    return resample(narrow, 8_000, 16_000).astype(np.float32) / 32_768


def utterance(path: Path) -> Audio:
    """The same with a little of the quiet line around it."""
    hiss = np.random.default_rng(0).normal(0, 4e-4, (_LEAD + _TAIL) * 16).astype(np.float32)
    return np.concatenate((hiss[: _LEAD * 16], telephone(path), hiss[_LEAD * 16 :]))


class LoudnessVad:
    """A voice activity model without weights: p is the window's first sample; the state counts the call's windows.

    `gate`: cleared, it holds the model up. `faults`: what its next runs raise. `batches`: how many windows each run
    had.
    """

    window = 512

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.faults: list[Exception] = []
        self.batches: list[int] = []

    def initial_state(self) -> NDArray[np.float32]:
        return np.zeros(1, np.float32)

    def analyze(
        self, windows: Sequence[Audio], states: Sequence[NDArray[np.float32]]
    ) -> tuple[list[float], list[NDArray[np.float32]]]:
        self.entered.set()
        assert self.gate.wait(10)
        if self.faults:
            raise self.faults.pop()
        self.batches.append(len(windows))
        return [float(w[0]) + float(s[0]) for w, s in zip(windows, states, strict=True)], [s + 1 for s in states]


class ScriptedStt:
    """Hears `say(audio, final)`; `heard` keeps the first sample of what it was given. `gate`, `entered`: as above."""

    def __init__(self, say: Callable[[Audio, bool], str] = lambda audio, final: f"{audio[0]:g}") -> None:
        self.say = say
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.heard: list[float] = []

    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, hot_words: str = "") -> Transcript:
        self.heard.append(float(audio[0]))
        self.entered.set()
        assert self.gate.wait(10)
        return Transcript(self.say(audio, final), languages[0], 0.9)
