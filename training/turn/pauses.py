"""The silences of a recording: pauses inside an utterance, and its end."""

import re
from itertools import pairwise
from typing import Literal

import msgspec
import numpy as np

from pipelines.models.ports import Audio
from training.vad.labels import HOP, by_energy

Kind = Literal["end", "pause", "dip"]

PAUSE_S = 0.15
"""A silence this long is a pause, a shorter one a dip: a word's end, or a consonant that closes."""

_DIP_S = 0.06
_LONGEST_S = 3.0
_BEFORE_S = 0.3  # of speech, before a silence counts
_INNER_END = re.compile(r"[.!?:;…]+\s+\S")
_FRAME_S = HOP / 16_000


class Silence(msgspec.Struct, frozen=True):
    """`at`: sample at which the last word before it ends; `length`: samples until somebody speaks again (of an end: until the
    recording ends)."""

    kind: Kind
    at: int
    length: int


def silences(audio: Audio, text: str = "") -> list[Silence]:
    """Of one utterance, in order. A text with the end of a sentence inside says that a pause may be an end: then none counts;
    one that ends in "..." says that the end is none."""
    speech = by_energy(audio, gap=3) == 1
    marks = np.flatnonzero(speech)
    if not marks.size:
        return []
    found = []
    whole = not _INNER_END.search(text)
    for before, after in pairwise(marks):
        seconds = (after - before - 1) * _FRAME_S
        if seconds < _DIP_S or seconds > _LONGEST_S or speech[: before + 1].sum() * _FRAME_S < _BEFORE_S:
            continue
        kind: Kind = "pause" if seconds >= PAUSE_S else "dip"
        if kind == "dip" or whole:
            found.append(Silence(kind, int(before + 1) * HOP, int(after - before - 1) * HOP))
    end = int(marks[-1] + 1) * HOP
    if speech.sum() * _FRAME_S >= _BEFORE_S and not text.endswith(("...", "…")):
        found.append(Silence("end", end, audio.size - end))
    return found


def followed(audio: Audio, samples: int, rng: np.random.Generator) -> Audio:
    """`audio` and then `samples` of its own quiet: pieces of its quietest fifth of a second, turned about, one over the other."""
    size = min(3_200, audio.size)
    starts = range(0, audio.size - size + 1, 400)
    first = min(starts, key=lambda at: float(np.square(audio[at : at + size]).sum()))
    quiet = audio[first : first + size]
    out = np.concatenate((audio, np.zeros(samples + size, np.float32)))
    ramp = np.sin(np.linspace(0, np.pi, size)).astype(np.float32)
    for at in range(audio.size - size // 2, out.size - size, max(1, size // 2)):
        piece = quiet[:: rng.choice((-1, 1))] * ramp
        piece[: max(0, audio.size - at)] = 0  # what was recorded stays as it was
        out[at : at + size] += piece
    return out[: audio.size + samples]
