"""From recordings to what a net is shown: each clip through several telephone lines, and the silences in it."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import signal
from torch import Tensor

from pipelines.audio import tune
from pipelines.models.ports import Audio
from training.common import audio, manifests, splits
from training.common.manifests import Clip, Limits
from training.common.telephony import Telephone
from training.turn.pauses import Silence, followed, silences
from training.turn.recipe import DataSettings

Say = Callable[[str], None]
RATE = 16_000
_LIMITS = Limits(min_s=0.1, max_s=120.0, text=False)
_PACES = range(90, 111)  # per cent


@dataclass(frozen=True)
class Turn:
    """A recorded utterance, a little of its own quiet behind it, and its silences."""

    clip: Clip
    audio: Audio
    silences: tuple[Silence, ...]

    @property
    def subset(self) -> str:
        return self.clip.audio.parent.name


def divided(settings: DataSettings, data: Path) -> dict[str, list[Turn]]:
    """ "train", "validation", "test" (speakers unseen) and "other" (recordings of other kinds), no speaker in two of them."""
    clips = manifests.read_all([data / name for name in settings.speech], _LIMITS)
    named = [clip for clip in clips if clip.speaker in settings.test_speakers]
    rest = [clip for clip in clips if clip.speaker not in settings.test_speakers]
    rest, drawn = splits.by_speaker(rest, settings.test, settings.seed) if settings.test else (rest, [])
    train, validation = splits.by_speaker(rest, settings.validation, settings.seed)
    other = manifests.read_all([data / name for name in settings.test_speech], _LIMITS) if settings.test_speech else []
    parts = {"train": train, "validation": validation, "test": [*drawn, *named], "other": other}
    return {name: [turn for clip in clips if (turn := turn_of(clip)).silences] for name, clips in parts.items()}


def turn_of(clip: Clip) -> Turn:
    heard = audio.load(clip.audio)
    rng = np.random.default_rng(zlib.crc32(clip.audio.name.encode()))
    return Turn(clip, followed(heard, RATE // 2, rng), tuple(silences(heard, clip.text)))


def told(turns: Sequence[Turn]) -> str:
    """What there is, for a person."""
    kinds = [silence.kind for turn in turns for silence in turn.silences]
    counts = ", ".join(f"{kinds.count(kind)} {kind}s" for kind in ("end", "pause", "dip"))
    return f"{len(turns)} clips of {len({turn.clip.speaker for turn in turns})} speakers: {counts}"


class Examples:
    """Raw frames of every clip through every line, made once, and which silences lie in them."""

    def __init__(self, turns: Sequence[Turn], line: Telephone, variations: int, seed: int) -> None:
        self.frames: list[NDArray[np.float16]] = []
        self.places: dict[str, dict[str, list[tuple[int, int, int]]]] = {}
        """By subset and kind: (which frames, frame after the last word, frames of silence)."""
        for turn in turns:
            for number in range(variations):
                rng = np.random.default_rng(
                    [seed, zlib.crc32(f"{turn.subset}/{turn.clip.audio.name}".encode()), number]
                )
                percent = int(rng.choice(_PACES))
                heard = signal.resample_poly(turn.audio, 100, percent).astype(np.float32)
                for silence in turn.silences:
                    end, length = silence.at * 100 // percent // 160, silence.length * 100 // percent // 160
                    if silence.kind == "end":
                        length = 40
                    kinds = self.places.setdefault(turn.subset, {"end": [], "pause": [], "dip": []})
                    kinds[silence.kind].append((len(self.frames), end, length))
                self.frames.append(tune.raw(line(heard, rng)).astype(np.float16))

    def example(
        self,
        rng: np.random.Generator,
        place: tuple[int, int, int],
        like: tuple[int, int, int],
        settings: DataSettings,
        length: int,
    ) -> NDArray:
        """One silence as the net sees it, `length` frames; no more of the turn and of the silence than there is of `like`."""
        which, end, silence = place
        # Frames end 15 ms after their first 10: the last one is that whose end lies in the silence drawn.
        tail = min(int(100 * rng.uniform(*settings.tail_s)), max(min(silence, like[2]) - 2, 2))
        shown = min(int(100 * rng.uniform(*settings.seen_s)), end, like[1])
        stop = end + tail - 2
        return tune.seen(self.frames[which][max(0, end - shown) : stop].astype(np.float32), length)


class Batches(Sequence):
    """An epoch of 100 batches: half ends, half none; each subset as often as the square root of its size. The same epoch and place give
    the same batch."""

    def __init__(self, examples: Examples, settings: DataSettings, length: int, seed: int, epoch: int) -> None:
        self._examples, self._settings, self._length = examples, settings, length
        self._seed, self._epoch = seed, epoch
        # A subset without pauses would say by its sound alone that it is an end.
        self._subsets = [name for name, kinds in examples.places.items() if kinds["pause"] and kinds["end"]]
        sizes = np.sqrt([len(examples.places[name]["pause"]) for name in self._subsets])
        self._chances = sizes / sizes.sum()

    def __len__(self) -> int:
        return 100

    def __getitem__(self, place: int) -> dict[str, Tensor]:
        rng = np.random.default_rng([self._seed, self._epoch, place])
        shown, ends = [], []
        for number in range(self._settings.batch):
            kinds = self._examples.places[self._subsets[rng.choice(len(self._subsets), p=self._chances)]]
            is_end = number % 2 == 0
            short = "dip" if kinds["dip"] and rng.random() < self._settings.dips else "pause"
            other = kinds[short][rng.integers(len(kinds[short]))]
            chosen = kinds["end"][rng.integers(len(kinds["end"]))] if is_end else other
            # An end is shown with as much before and after it as a silence of the others: length must not tell.
            shown.append(self._examples.example(rng, chosen, other, self._settings, self._length))
            ends.append(float(is_end))
        return {"frames": torch.from_numpy(np.stack(shown)), "ends": torch.tensor(ends)}
