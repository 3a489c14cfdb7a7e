"""Where speech is in a clean recording, every 10 ms: by its energy, where a known detector agrees that it is speech.

Energy says to a hundredth of a second where a word begins and ends, but takes a breath or a chair for one; a detector
(Silero, on the clean recording) knows speech, but is late by a window or two and holds on after the end. So: loud and
speech is 1, quiet is 0, and what only one of them takes for speech, or what is half loud, is -1: not taught.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.models.ports import Audio, VoiceActivity
from pipelines.units import SAMPLE_RATE

HOP = SAMPLE_RATE // 100
UNSURE = -1

_GAP = 10  # frames of quiet inside a word, as before a "t", that are still speech
_BURST = 4  # frames of noise that are no speech
_TOGETHER = 64
_NEAR = 20  # frames from where the detector hears speech


def energy_db(audio: Audio) -> NDArray[np.float32]:
    """Of each 10 ms, against full scale."""
    frames = audio[: audio.size // HOP * HOP].reshape(-1, HOP)
    return 10 * np.log10(np.square(frames, dtype=np.float64).mean(axis=1) + 1e-10).astype(np.float32)


def by_energy(audio: Audio, gap: int = _GAP) -> NDArray[np.int8]:
    """1, 0 or UNSURE for each 10 ms. Quiet of up to `gap` of them inside speech is speech."""
    decibels = energy_db(audio)
    if not decibels.size:
        return np.zeros(0, np.int8)
    loud, floor = np.percentile(decibels, 95), np.percentile(decibels, 5)
    threshold = min(max(loud - 32, floor + 8), loud - 12)
    label = np.where(decibels >= threshold, 1, np.where(decibels >= threshold - 8, UNSURE, 0)).astype(np.int8)
    _fill(label, 1, 0, gap)
    _fill(label, 0, 1, _BURST)
    return label


def labels(audios: Sequence[Audio], teacher: VoiceActivity | None) -> list[NDArray[np.int8]]:
    """The same for each of many recordings, where the teacher agrees. Without one, by energy alone."""
    found = [by_energy(audio) for audio in audios]
    if teacher is None:
        return found
    for label, heard in zip(found, probabilities(teacher, audios), strict=True):
        if not label.size or not len(heard):
            continue
        at = np.minimum(np.arange(label.size) * HOP // teacher.window, len(heard) - 1)
        near = np.convolve(heard[at] > 0.5, np.ones(2 * _NEAR + 1), "same")[: label.size] > 0
        label[(label == 1) & ~near] = UNSURE
    return found


def probabilities(vad: VoiceActivity, audios: Sequence[Audio]) -> list[NDArray[np.float32]]:
    """What `vad` says to each whole window of each recording; 64 recordings are heard side by side."""
    heard: list[list[float]] = [[] for _ in audios]
    order = sorted(range(len(audios)), key=lambda i: -audios[i].size)
    for first in range(0, len(order), _TOGETHER):
        some = order[first : first + _TOGETHER]
        states = {i: vad.initial_state() for i in some}
        for at in range(0, audios[some[0]].size - vad.window + 1, vad.window):
            here = [i for i in some if audios[i].size >= at + vad.window]
            ps, new = vad.analyze([audios[i][at : at + vad.window] for i in here], [states[i] for i in here])
            for i, p, state in zip(here, ps, new, strict=True):
                heard[i].append(p)
                states[i] = state
    return [np.array(one, np.float32) for one in heard]


def of_windows(samples: NDArray[np.int8], window: int) -> NDArray[np.int8]:
    """Labels of samples as labels of windows: 1 where two fifths are speech, 0 where a tenth at most is, else UNSURE."""
    rows = samples[: samples.size // window * window].reshape(-1, window)
    speech, unsure = (rows == 1).mean(axis=1), (rows == UNSURE).mean(axis=1)
    sure = np.where(speech >= 0.4, 1, np.where(speech <= 0.1, 0, UNSURE))
    return np.where((sure == 1) | (unsure < 0.3), sure, UNSURE).astype(np.int8)


def _fill(label: NDArray[np.int8], around: int, inside: int, longest: int) -> None:
    """Runs without `around` that are at most `longest` frames and lie between two frames of it become it. `inside`: what
    counts as the run beside UNSURE."""
    marks = np.flatnonzero(label == around)
    for a, b in pairwise(marks):
        if 1 < b - a <= longest + 1 and (label[a + 1 : b] != around).all():
            if around == 0 and (label[a + 1 : b] == inside).any():
                label[a + 1 : b] = UNSURE
            elif around == 1:
                label[a + 1 : b] = 1
