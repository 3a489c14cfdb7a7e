"""Two voices on one telephone, one of which is known from another of its clips."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.models.ports import Audio, SpeakerEncoder
from pipelines.speakers.spectrum import analysed, compressed
from pipelines.units import SAMPLE_RATE
from training.common import telephony
from training.common.errors import DataError
from training.common.manifests import Clip
from training.extract.recipe import Mixing
from training.speakers.data import Piece, joined, spoken

LOUDNESS = 0.05
"""rms of a mixture."""
_KNOWN = 6 * SAMPLE_RATE
_HALVED_S = 10.0


@dataclass(frozen=True)
class Mixture:
    """`sound`: both, as the line brings them; `wanted`: the one alone, through the same line; `voice`: of him, from another clip.
    `text`, `language`: of his clip, when all of it is in the mixture. `over`: what the other says."""

    sound: Audio
    wanted: Audio
    voice: NDArray[np.float32]
    text: str = ""
    language: str = ""
    over: Piece = ()


class Mixer:
    """Mixture i of a seed is always the same; voices are embedded once."""

    def __init__(
        self, clips: Sequence[Clip], settings: Mixing, encoder: SpeakerEncoder, seed: int, *, whole: bool = False
    ) -> None:
        """`whole`: one clip as it is, for its words, instead of a stretch. Speakers of one piece alone are the other voice only, unless
        `settings.halves`."""
        self.settings, self.seed, self.whole = settings, seed, whole
        self._encoder = encoder
        names = sorted({clip.speaker for clip in clips})
        own = {name: [clip for clip in clips if clip.speaker == name] for name in names}
        self._people = {
            name: [(clip,) for clip in mine if clip.duration >= 1.5] if whole else joined(mine)
            for name, mine in own.items()
        }
        self._people = {name: pieces for name, pieces in self._people.items() if pieces}
        halves = settings.halves and not whole
        self._followed = [
            name
            for name, pieces in self._people.items()
            if len(pieces) > 1 or (halves and sum(clip.duration for clip in pieces[0]) >= _HALVED_S)
        ]
        if not self._followed or len(self._people) < 2:
            raise DataError("mixtures need two speakers, one of them with two clips.")
        self._voices: dict[Piece, NDArray[np.float32]] = {}
        self._heard: dict[Piece, Audio] = {}

    def __call__(self, number: int) -> Mixture:
        rng = np.random.default_rng([self.seed, number])
        one = self._followed[rng.integers(len(self._followed))]
        other = rng.choice([name for name in self._people if name != one])
        own = self._people[one]
        said, known = (own[i] for i in rng.choice(len(own), 2, replace=len(own) == 1))
        over = self._people[other][rng.integers(len(self._people[other]))]
        target = self._sound(said)
        if said is known:
            target = target[_KNOWN:]  # what he is known by is not in the mixture
        if not self.whole:
            target = _stretch(target, round(self.settings.seconds * SAMPLE_RATE), rng)
        sound = _stretch(self._sound(over), len(target), rng)
        ratio = 10 ** (-rng.uniform(*self.settings.ratio_db) / 20)
        target, sound = _loud(target), _loud(sound) * np.float32(ratio)
        whole = telephony.plain(np.clip(target + sound, -1, 1))
        clip = said[0]
        return Mixture(whole, telephony.plain(target), self.voice(known), clip.text, clip.language, over)

    def _sound(self, piece: Piece) -> Audio:
        if piece not in self._heard:
            self._heard[piece] = np.concatenate([spoken(clip) for clip in piece])
        return self._heard[piece]

    def voice(self, piece: Piece) -> NDArray[np.float32]:
        """Of whoever speaks in `piece`, by its first six seconds."""
        if piece not in self._voices:
            self._voices[piece] = self._encoder.embed(telephony.plain(self._sound(piece)[:_KNOWN]))
        return self._voices[piece]


def _stretch(sound: Audio, length: int, rng: np.random.Generator) -> Audio:
    """`length` samples from a random place; what is shorter begins at a random time."""
    if len(sound) >= length:
        start = int(rng.integers(len(sound) - length + 1))
        return sound[start : start + length]
    before = int(rng.integers(length - len(sound) + 1))
    return np.pad(sound, (before, length - len(sound) - before))


def _loud(sound: Audio) -> Audio:
    return sound * np.float32(LOUDNESS / max(float(np.sqrt(np.mean(np.square(sound, dtype=np.float64)))), 1e-6))


class Batches:
    """Batch i of an epoch; mixtures are made when first asked for and kept as spectra."""

    def __init__(self, mixer: Mixer, batch: int, seed: int) -> None:
        self.mixer, self.batch, self.seed = mixer, batch, seed
        self._made: dict[int, dict[str, NDArray]] = {}

    def __call__(self, epoch: int) -> "Epoch":
        order = np.random.default_rng([self.seed, epoch]).permutation(self.mixer.settings.mixtures)
        return Epoch(self, order)

    def item(self, number: int) -> dict[str, NDArray]:
        if number not in self._made:
            mixture = self.mixer(number)
            self._made[number] = example(mixture)
        return self._made[number]


class Epoch(Sequence):
    """The batches of one epoch."""

    def __init__(self, batches: Batches, order: NDArray[np.int64]) -> None:
        self._batches, self._order = batches, order

    def __len__(self) -> int:
        return max(1, len(self._order) // self._batches.batch)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        size = self._batches.batch
        items = [self._batches.item(int(i)) for i in self._order[place * size : (place + 1) * size]]
        return {name: torch.from_numpy(np.stack([item[name] for item in items])) for name in items[0]}


def example(mixture: Mixture) -> dict[str, NDArray]:
    """What the net is taught by: spectra as complex64 (T, BINS), and the voice."""
    gain = LOUDNESS / max(float(np.sqrt(np.mean(np.square(mixture.sound, dtype=np.float64)))), 1e-6)
    whole, wanted = (analysed(sound * np.float32(gain)) for sound in (mixture.sound, mixture.wanted))
    return {"spectra": whole, "wanted": wanted, "magnitudes": compressed(whole), "voice": mixture.voice}
