"""From scenes to what the net is shown: frames from the onset on that voice activity finds in a call, what is to be said of each, and when it is asked."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pipelines.audio.overlap_frames import BANDS, SIZE, overlap_frames
from pipelines.models.ports import VoiceActivity
from pipelines.turns.barge_in import BEFORE
from pipelines.turns.policy import CallSettings
from pipelines.turns.speech import Speech, SpeechStarted
from pipelines.units import us_to_samples
from training.overlap.data import Scene
from training.vad.labels import probabilities

UNSURE = -1
_CALL = CallSettings()
ASKED = us_to_samples(_CALL.overlap_listen_us)
"""Samples from the onset in which the net is asked."""
WINDOW = 512
FRAMES = 1 + (BEFORE + ASKED - 400) // 160
_EARLY = 1_600  # speech that began so long before the sound is another's
_AT_ONCE = 640  # samples after which an interruption is to be heard as one, and after whose end nothing is


@dataclass(frozen=True)
class Example:
    """`frames` (FRAMES, SIZE), `labels` (FRAMES,): 1 interruption, 0 none, -1 not taught. `asks`: (frame at whose end the net is asked,
    milliseconds since the first sound); empty: voice activity does not hear it, and the net is never asked."""

    scene: Scene
    frames: NDArray[np.float32]
    labels: NDArray[np.int8]
    asks: tuple[tuple[int, float], ...]
    fired: float
    """Milliseconds from the first sound until voice activity fired."""
    first: int
    """Media sample of the onset that it found."""


def examples(scenes: Sequence[Scene], vad: VoiceActivity, *, unheard: bool = False) -> list[Example]:
    """Without the scenes whose line alone is taken for speech. `unheard`: those in which no speech is found too, from their first sound on."""
    found = []
    for scene, p_speech in zip(scenes, probabilities(vad, [scene.audio for scene in scenes]), strict=True):
        onset = _onset(p_speech)
        if onset is None and unheard:
            onset = scene.onset, 0
        if onset is None:
            found.append(Example(scene, *_nothing(), (), float("inf"), -1))
        elif onset[0] >= scene.onset - _EARLY:
            found.append(_example(scene, *onset))
    return found


def _onset(p_speech: NDArray[np.float32]) -> tuple[int, int] | None:
    """(media sample at which speech over the agent begins, that at which this is known)."""
    speech = Speech(_CALL, WINDOW)
    for window, p in enumerate(p_speech):
        change = speech.window_analyzed(window * WINDOW, float(p), _CALL.speech_on_over)
        if isinstance(change, SpeechStarted):
            return change.first, (window + 1) * WINDOW
    return None


def _example(scene: Scene, first: int, fired: int) -> Example:
    begin = max(0, first - BEFORE)
    audio = scene.audio[begin : begin + BEFORE + ASKED]
    audio = np.pad(audio, (0, BEFORE + ASKED - audio.size))
    frames = overlap_frames(audio)
    ends = begin + 160 * np.arange(len(frames)) + 400  # the sample at which each frame is complete
    labels = np.zeros(len(frames), np.int8)
    labels[: BEFORE // 160] = UNSURE
    if scene.begins >= 0:
        labels[ends > scene.begins] = UNSURE
        labels[(ends > scene.begins + _AT_ONCE) & (ends < scene.ends + _AT_ONCE)] = 1
    asks = [at for at in range(first + WINDOW, first + ASKED + 1, WINDOW) if at >= fired > 0 and at <= scene.audio.size]
    placed = tuple(((at - begin - 400) // 160, (at - scene.onset) / 16) for at in asks)
    return Example(scene, frames, labels, placed, (fired - scene.onset) / 16, first)


def _nothing() -> tuple[NDArray[np.float32], NDArray[np.int8]]:
    return np.zeros((FRAMES, SIZE), np.float32), np.full(FRAMES, UNSURE, np.int8)


class Batches(Sequence):
    """An epoch. The same epoch and place give the same batch; lines are a little louder or quieter whenever they come again."""

    def __init__(self, heard: Sequence[Example], size: int, seed: int, epoch: int) -> None:
        self._heard, self._size, self._seed, self._epoch = heard, size, seed, epoch
        self._order = np.random.default_rng([seed, epoch]).permutation(len(heard))

    def __len__(self) -> int:
        return max(1, len(self._order) // self._size)

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        chosen = [self._heard[i] for i in self._order[place * self._size : (place + 1) * self._size]]
        rng = np.random.default_rng([self._seed, self._epoch, place])
        frames = np.stack([one.frames for one in chosen])
        frames[:, :, BANDS + 1] += rng.uniform(-1.5, 1.0, (len(chosen), 1)).astype(np.float32)
        return {
            "frames": torch.from_numpy(frames),
            "labels": torch.from_numpy(np.stack([one.labels for one in chosen])),
        }
