"""From scenes to what the net is shown: whenever a call would ask, the encoder's states of all that was said so far, and what is to be answered."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.models.ports import Audio, VoiceActivity
from pipelines.nets.overlap import STATES
from pipelines.turns.barge_in import BEFORE
from pipelines.turns.policy import CallSettings
from pipelines.turns.speech import Speech, SpeechStarted
from pipelines.units import us_to_samples
from training.overlap.data import Scene
from training.vad.labels import probabilities

Hear = Callable[[Audio], NDArray[np.float32]]
"""The encoder: (n, S), states of some audio."""

UNSURE = -1
_CALL = CallSettings()
ASKED = us_to_samples(_CALL.overlap_listen_us)
"""Samples from the onset in which the net is asked."""
WINDOW = 512
_EARLY = 1_600  # speech that began so long before the sound is another's
_AT_ONCE = 640  # samples after which an interruption is to be heard as one, and after whose end nothing is


@dataclass(frozen=True)
class Ask:
    """One question. `end`: the sample of the scene up to which is heard; `ms`: since the first sound; `label`: 1 interruption, 0 none, -1 not taught."""

    end: int
    ms: float
    label: int
    states: NDArray[np.float16]


@dataclass(frozen=True)
class Example:
    """`asks` is empty if voice activity does not hear it, and the net is never asked."""

    scene: Scene
    asks: tuple[Ask, ...]
    fired: float
    """Milliseconds from the first sound until voice activity fired."""
    first: int
    """Media sample of the onset that it found."""


def examples(scenes: Sequence[Scene], vad: VoiceActivity, hear: Hear, most: int | None = None) -> list[Example]:
    """Without the scenes whose line alone is taken for speech. `most`: that many of the questions of a scene, evenly spread, for training."""
    found = []
    for scene, p_speech in zip(scenes, probabilities(vad, [scene.audio for scene in scenes]), strict=True):
        onset = _onset(p_speech)
        if onset is None:
            found.append(Example(scene, (), float("inf"), -1))
        elif onset[0] >= scene.onset - _EARLY:
            found.append(_example(scene, *onset, hear, most))
    return found


def _onset(p_speech: NDArray[np.float32]) -> tuple[int, int] | None:
    """(media sample at which speech over the agent begins, that at which this is known)."""
    speech = Speech(_CALL, WINDOW)
    for window, p in enumerate(p_speech):
        change = speech.window_analyzed(window * WINDOW, float(p), _CALL.speech_on_over)
        if isinstance(change, SpeechStarted):
            return change.first, (window + 1) * WINDOW
    return None


def _example(scene: Scene, first: int, fired: int, hear: Hear, most: int | None) -> Example:
    begin = max(0, first - BEFORE)
    ends = [at for at in range(first + WINDOW, first + ASKED + 1, WINDOW) if fired <= at <= scene.audio.size]
    if most is not None and len(ends) > most:
        ends = [ends[round(i)] for i in np.linspace(0, len(ends) - 1, most)]
    asks = (
        Ask(end, (end - scene.onset) / 16, _label(scene, end), hear(scene.audio[begin:end]).astype(np.float16))
        for end in ends
    )
    return Example(scene, tuple(asks), (fired - scene.onset) / 16, first)


def _label(scene: Scene, end: int) -> int:
    if scene.begins < 0:
        return 0
    return 1 if scene.begins + _AT_ONCE < end < scene.ends + _AT_ONCE else UNSURE


def together(asks: Sequence[Ask]) -> tuple[Tensor, Tensor]:
    """(states (B, T, S), lengths (B,)), as the net takes them."""
    size = asks[0].states.shape[1]
    states = np.zeros((len(asks), STATES, size), np.float32)
    for row, ask in zip(states, asks, strict=True):
        row[: len(ask.states)] = ask.states[:STATES]
    lengths = [min(len(ask.states), STATES) for ask in asks]
    return torch.from_numpy(states), torch.tensor(lengths)


class Batches(Sequence):
    """An epoch of all questions that are taught. The same epoch and place give the same batch."""

    def __init__(self, heard: Sequence[Example], size: int, seed: int, epoch: int) -> None:
        self._asks = [ask for one in heard for ask in one.asks if ask.label != UNSURE]
        self._size = size
        self._order = np.random.default_rng([seed, epoch]).permutation(len(self._asks))

    def __len__(self) -> int:
        return max(1, len(self._order) // self._size)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        chosen = [self._asks[i] for i in self._order[place * self._size : (place + 1) * self._size]]
        states, lengths = together(chosen)
        labels = torch.tensor([float(ask.label) for ask in chosen])
        return {"states": states, "lengths": lengths, "labels": labels}
