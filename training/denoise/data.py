"""From recordings to pairs of noisy and clean, mixed on the fly: speech, a room, a noise, the telephone.

Both sides of a pair go through the same line, with the same draws: what the net is asked to take away is the noise, neither the
codec nor the room. Speakers and noises of training, validation and test are not the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE
from training.common import audio, manifests, splits
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.common.telephony import Telephone
from training.denoise.noises import babble, in_room, made, piece, rms
from training.denoise.recipe import DataSettings, MixSettings

Say = Callable[[str], None]
_SPEECH = Limits(min_s=0.1, max_s=40.0, text=False)
_NOISE = Limits(min_s=0.1, max_s=600.0, text=False)
_HOP = 160  # clips are whole frames of the mask's net


@dataclass
class Part:
    """What one part, "train" or "validation", is mixed from. Audio is int16, 16 kHz."""

    speech: list[tuple[str, NDArray[np.int16]]] = field(default_factory=list)
    """Speaker and clip."""
    noises: list[NDArray[np.int16]] = field(default_factory=list)
    music: list[NDArray[np.int16]] = field(default_factory=list)
    rooms: list[Audio] = field(default_factory=list)
    clips: list[Clip] = field(default_factory=list)

    @property
    def minutes(self) -> float:
        return sum(len(clip) for _, clip in self.speech) / SAMPLE_RATE / 60


def parts(settings: DataSettings, data: Path) -> dict[str, Part]:
    """The recipe's recordings, read and divided. Raises DataError: a file, a name of a noise that is unknown."""
    clips = manifests.read_all([data / name for name in settings.speech], _SPEECH)
    train, validation = splits.by_speaker(clips, settings.validation, settings.seed)
    found = {"train": Part(clips=train), "validation": Part(clips=validation)}
    for part in found.values():
        part.speech = [(clip.speaker, audio.to_int16(audio.load(clip.audio))) for clip in part.clips]
    noises, music = named(settings.noise, data), named(settings.music, data)
    for names in (settings.validation_noises, settings.test_noises, settings.left_out):
        if unknown := sorted(set(names) - set(noises) - set(music)):
            raise DataError(
                f"No noise is called {', '.join(unknown)}. There are {', '.join(sorted({*noises, *music}))}."
            )
    aside = {*settings.test_noises, *settings.left_out}
    for name, part in found.items():
        for sounds, into in ((noises, part.noises), (music, part.music)):
            into += [
                audio.to_int16(audio.load(path))
                for stem, path in sounds.items()
                if stem not in aside and (stem in settings.validation_noises) == (name == "validation")
            ]
        part.rooms = [direct(audio.load(path)) for path in named(settings.rooms, data).values()]
    return found


def named(names: Sequence[str], data: Path) -> dict[str, Path]:
    """The recordings of noise manifests by the names of their files."""
    found = manifests.read_all([data / name for name in names], _NOISE) if names else []
    return {clip.audio.stem: clip.audio for clip in found}


def direct(room: Audio) -> Audio:
    """An impulse response from its direct sound on: the room delays nothing."""
    return room[int(np.argmax(np.abs(room))) :]


class Mixer:
    """Pairs of one part; number i is always the same."""

    def __init__(self, part: Part, settings: MixSettings, seconds: float, seed: int) -> None:
        self._part, self._settings, self._seed = part, settings, seed
        self._length = round(seconds * SAMPLE_RATE) // _HOP * _HOP
        silent = {"hiss_db": (-120.0, -120.0), "hum_db": (-120.0, -120.0)}
        self._noisy_line = Telephone(settings.telephone)
        self._clean_line = Telephone(settings.telephone.model_copy(update=silent))
        kinds = {
            "babble": settings.babble if len({speaker for speaker, _ in part.speech}) > settings.voices[1] else 0.0,
            "recorded": settings.recorded if part.noises else 0.0,
            "music": settings.music if part.music else 0.0,
            "made": settings.made,
            "none": settings.none,
        }
        self._kinds = list(kinds)
        self._weights = np.array(list(kinds.values())) / sum(kinds.values())

    def __len__(self) -> int:
        return len(self._part.speech)

    def pair(self, index: int, number: int) -> tuple[Audio, Audio]:
        """Variation `number` of clip `index`: (noisy, clean), float32, shape (n,)."""
        s, rng = self._settings, np.random.default_rng([self._seed, index, number])
        speaker, clip = self._part.speech[index]
        speech = audio.to_float(piece(clip, self._length, rng) if len(clip) > self._length else self._placed(clip, rng))
        if self._part.rooms and rng.random() < s.room:
            speech = in_room(speech, self._part.rooms[rng.integers(len(self._part.rooms))])
        speech = speech * np.float32(10 ** (rng.uniform(*s.level_db) / 20) / max(rms(speech), 1e-6))
        noise = self._noise(speaker, rng)
        if (loud := rms(noise)) > 0:
            noise = noise * np.float32(rms(speech) * 10 ** (-rng.uniform(*s.snr_db) / 20) / loud)
        line = int(rng.integers(2**32))  # the same line for both: the same draws
        noisy = self._noisy_line(np.clip(speech + noise, -1, 1), np.random.default_rng(line))
        return noisy, self._clean_line(np.clip(speech, -1, 1), np.random.default_rng(line))

    def _placed(self, clip: NDArray[np.int16], rng: np.random.Generator) -> NDArray[np.int16]:
        """A short clip somewhere in silence."""
        before = int(rng.integers(self._length - len(clip) + 1))
        return np.pad(clip, (before, self._length - len(clip) - before))

    def _noise(self, speaker: str, rng: np.random.Generator) -> Audio:
        kind = rng.choice(self._kinds, p=self._weights)
        if kind == "none":
            return np.zeros(self._length, np.float32)
        if kind == "made":
            return made(self._length, rng)
        if kind == "babble":
            others: dict[str, NDArray[np.int16]] = {}
            wanted = int(rng.integers(self._settings.voices[0], self._settings.voices[1] + 1))
            while len(others) < wanted:
                name, clip = self._part.speech[rng.integers(len(self._part.speech))]
                if name != speaker:
                    others[name] = clip
            return babble([audio.to_float(clip) for clip in others.values()], self._length, rng)
        sounds = self._part.noises if kind == "recorded" else self._part.music
        noise = audio.to_float(piece(sounds[rng.integers(len(sounds))], self._length, rng))
        if self._part.rooms and rng.random() < 0.3:
            noise = in_room(noise, self._part.rooms[rng.integers(len(self._part.rooms))])
        return noise


class Batches:
    """What the loop asks for: the batches of an epoch. Mixtures are made when first wanted and kept as int16."""

    def __init__(self, mixer: Mixer, settings: DataSettings, seed: int) -> None:
        self._mixer, self._settings, self._seed = mixer, settings, seed
        self._kept: dict[tuple[int, int], NDArray[np.int16]] = {}

    def pair(self, index: int, number: int) -> NDArray[np.int16]:
        """(2, n): noisy and clean."""
        key = (index, number)
        if key not in self._kept:
            self._kept[key] = np.stack([audio.to_int16(each) for each in self._mixer.pair(index, number)])
        return self._kept[key]

    def __call__(self, epoch: int) -> "Epoch":
        order = np.random.default_rng([self._seed, epoch]).permutation(len(self._mixer))
        size = self._settings.batch
        return Epoch(self, epoch % self._settings.variations, [order[k : k + size] for k in range(0, len(order), size)])


class Epoch(Sequence):
    """Batch i: a tensor (2, batch, n), noisy and clean."""

    def __init__(self, batches: Batches, number: int, chunks: Sequence[NDArray]) -> None:
        self._batches, self._number, self._chunks = batches, number, chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, place: int) -> torch.Tensor:
        pairs = [self._batches.pair(int(index), self._number) for index in self._chunks[place]]
        return torch.from_numpy(audio.to_float(np.stack(pairs, axis=1)))
