"""From manifests to batches: clips are checked and split, heard once, varied, and grouped by length."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.audio.features import Features, Moments
from pipelines.nets.alphabet import Alphabet, UnknownCharacter, frames_needed, plain
from pipelines.nets.ctc import CtcNet, pad
from pipelines.units import SAMPLE_RATE
from training.common import audio, manifests, splits, telephony
from training.common.batching import alike
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.ctc.augment import Augment, masked, vary
from training.ctc.recipe import DataSettings

Floats = NDArray[np.float32]
Say = Callable[[str], None]


def clips_of(names: Sequence[str], settings: DataSettings, data: Path, say: Say = print) -> list[Clip]:
    """The usable lines of manifests, named relative to `data`. Raises DataError; see `manifests.read_all`."""
    limits = Limits(min_s=settings.min_s, max_s=settings.max_s)
    return manifests.read_all([data / name for name in names], limits, on_bad=settings.on_bad, say=say) if names else []


def divided(settings: DataSettings, data: Path, say: Say = print) -> dict[str, list[Clip]]:
    """The recipe's clips: "train", "validation" and "test", with no speaker in two of them. The test's speakers are drawn first;
    `also` is only trained on."""
    clips, also = (clips_of(names, settings, data, say) for names in (settings.manifests, settings.also))
    rest, test = splits.by_speaker(clips, settings.test, settings.seed) if settings.test else (list(clips), [])
    train, validation = (
        splits.by_speaker(rest, settings.validation, settings.seed) if settings.validation else (rest, [])
    )
    aside = {clip.speaker for clip in [*validation, *test]}
    if both := sorted(aside & {clip.speaker for clip in also}):
        raise DataError(f"{', '.join(both)}: held aside, and also trained on by data.also. Leave one of them out.")
    return {"train": [*train, *also], "validation": validation, "test": test}


@dataclass
class Utterance:
    """A clip as the net is taught it."""

    clip: Clip
    audio: Floats
    """float32, 16 kHz, shape (n,)."""
    label: list[int]
    """Numbers of its characters."""

    @property
    def name(self) -> str:
        """The file and its folder."""
        return f"{self.clip.audio.parent.name}/{self.clip.audio.name}"


def heard(
    clips: Iterable[Clip],
    alphabet: Alphabet,
    net: CtcNet,
    *,
    on_bad: str,
    around: float = 0.0,
    line: bool = False,
    say: Say = print,
) -> list[Utterance]:
    """The clips read, and their texts spelled. All that is wrong is told at once: a file that cannot be read, a character that
    the net cannot write, a clip too short for CTC to write its text on."""
    found, problems = [], []
    for clip in clips:
        try:
            samples = np.pad(audio.load(clip.audio), round(around * SAMPLE_RATE))
            label = alphabet.encode(plain(clip.text))
        except (DataError, UnknownCharacter) as error:
            problems.append(str(error) if isinstance(error, DataError) else f"{clip.audio}: {error}")
            continue
        frames, needed = net.frames_out(net.features.frames(len(samples))), frames_needed(label)
        if frames < needed:
            problems.append(
                f'{clip.audio}: too short: {frames} output frames, and "{plain(clip.text)}" needs {needed} '
                f"(a character each, and one between two of the same). Lower net.stride, now {net.settings.stride}."
            )
            continue
        found.append(Utterance(clip, telephony.plain(samples) if line else samples, label))
    manifests.refuse(problems, on_bad, say)
    if not found:
        raise DataError("No clip is left to use.")
    return found


class Variations:
    """Augmented waveforms, made when first asked for and kept as int16: number v of an utterance is always the same."""

    def __init__(self, utterances: Sequence[Utterance], settings: Augment, seed: int) -> None:
        self.settings, self.seed = settings, seed
        self._utterances = utterances
        self._line = telephony.Telephone(settings.telephone) if settings.phone else None
        self._made: dict[tuple[str, int], NDArray[np.int16]] = {}

    def audio(self, utterance: Utterance, number: int) -> Floats:
        """Variation `number`, from 0 to `settings.variations` - 1, float32. 0 is the recording itself, unless it is the only
        one."""
        if number == 0 and self.settings.variations > 1:
            return utterance.audio
        key = (utterance.name, number)
        if key not in self._made:
            rng = np.random.default_rng(
                [self.seed, zlib.crc32(utterance.name.encode()), number]
            )  # in any split the same
            strength = (number + 1) / self.settings.variations if self.settings.ramp else 1.0
            self._made[key] = audio.to_int16(vary(utterance.audio, self.settings, rng, self._line, strength))
        return audio.to_float(self._made[key])

    def save(self, file: Path) -> None:
        """All variations, those not yet made as well, in one file: for several processes that train on the same clips."""
        keys = [(u.name, number) for u in self._utterances for number in range(1, self.settings.variations)]
        for utterance in self._utterances:
            for number in range(1, self.settings.variations):
                self.audio(utterance, number)
        made = [self._made[key] for key in keys]
        beside = file.with_name(f".{file.name}.partial")
        with beside.open("wb") as stream:
            np.savez(
                stream,
                names=np.array([name for name, _ in keys]),
                numbers=np.array([number for _, number in keys]),
                lengths=np.array([len(samples) for samples in made]),
                samples=np.concatenate(made),
            )
        beside.replace(file)

    @property
    def loaded(self) -> bool:
        """Whether any are made."""
        return bool(self._made) or self.settings.variations == 1

    def load(self, file: Path) -> None:
        """What `save` wrote, beside what there is."""
        with np.load(file) as saved:
            pieces = np.split(saved["samples"], np.cumsum(saved["lengths"])[:-1])
            keys = zip(saved["names"].tolist(), saved["numbers"].tolist(), strict=True)
            self._made |= dict(zip(keys, pieces, strict=True))


class Batches:
    """Batch i of an epoch: a dictionary of tensors. The same epoch and place give the same batch in every process."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        variations: Variations,
        net: CtcNet,
        size: int,
        seed: int,
        kept: dict[tuple[str, int], Floats] | None = None,
        epochs: int = 1,
    ) -> None:
        """`epochs`: of the whole run, over a part of which the variations come into use (`Augment.ramp`). `kept`: features made so far, by file and variation; trainings with the same input and augmentation may share it."""
        self.utterances, self.variations, self.net, self.size, self.seed = utterances, variations, net, size, seed
        self.features: Features = net.features
        self.kept = {} if kept is None else kept
        self.ramp_epochs = variations.settings.ramp * epochs

    def __call__(self, epoch: int) -> "Epoch":
        """Its batches in their order; see `alike`."""
        lengths = [len(utterance.audio) for utterance in self.utterances]
        return Epoch(self, epoch, alike(lengths, self.size, seed=self.seed, epoch=epoch))

    def frames(self, utterance: Utterance, number: int) -> Floats:
        """Features of a variation, filled up with silence if it has become too short for its text."""
        key = (utterance.name, number)
        if key not in self.kept:
            samples = self.variations.audio(utterance, number)
            while self.net.frames_out(self.features.frames(len(samples))) < frames_needed(utterance.label):
                samples = np.pad(samples, (0, 1_600))
            self.kept[key] = self.features(samples)
        return self.kept[key]

    def moments(self) -> tuple[Floats, Floats]:
        """Mean and deviation of the features over the training data and some of its variations, for `CtcNet.normalise_by`."""
        return self._moments(self.features.size, lambda frames: frames)

    @torch.inference_mode()
    def described(self) -> tuple[Floats, Floats]:
        """The same of what the net as it is makes of them, for `Whole.normalise_by`."""

        def describe(frames: Floats) -> Floats:
            return self.net.described(*pad([frames]))[0][0].numpy()

        self.net.eval()  # the loop sets it back
        size = describe(self.frames(self.utterances[0], 0)).shape[1]
        return self._moments(size, describe)

    def _moments(self, size: int, of: Callable[[Floats], Floats]) -> tuple[Floats, Floats]:
        moments = Moments(size)
        for utterance in self.utterances:
            for number in range(min(3, self.variations.settings.variations)):
                moments.add(of(self.frames(utterance, number)))
        return moments.mean, moments.deviation


class Epoch(Sequence):
    """The batches of one epoch, made when asked for."""

    def __init__(self, batches: Batches, number: int, chunks: Sequence[NDArray]) -> None:
        self._batches, self._number, self._chunks = batches, number, chunks
        grown = min(1.0, (number + 1) / batches.ramp_epochs) if batches.ramp_epochs else 1.0
        self._variations = max(1, round(grown * batches.variations.settings.variations))

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        b = self._batches
        features, labels = [], []
        for index in self._chunks[place]:
            utterance = b.utterances[index]
            rng = np.random.default_rng([b.seed, self._number, int(index)])
            frames = b.frames(utterance, int(rng.integers(self._variations)))
            features.append(masked(frames, b.variations.settings, rng, b.features.kind))
            labels.append(utterance.label)
        padded, lengths = pad(features)
        return {
            "features": padded,
            "lengths": lengths,
            "labels": torch.tensor([number for label in labels for number in label]),
            "label_lengths": torch.tensor([len(label) for label in labels]),
        }
