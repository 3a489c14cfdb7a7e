"""From manifests to batches of waveforms: clips are checked and split, heard once, sent through the telephone, grouped by length."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import FeatureExtractionMixin

from pipelines.models.ports import Audio
from pipelines.nets.alphabet import UnknownCharacter, frames_needed
from pipelines.units import SAMPLE_RATE
from training.common import audio, manifests, telephony
from training.common.batching import alike
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.common.splits import by_speaker
from training.wav2vec2.settings import Channel, DataSettings

Say = Callable[[str], None]
IGNORED = -100
"""Fills up labels; the loss leaves it out."""


@dataclass(frozen=True)
class Split:
    """No speaker is in two of them. `test` may be empty."""

    train: list[Clip]
    validation: list[Clip]
    test: list[Clip]


def split(settings: DataSettings, data: Path, say: Say = print) -> Split:
    """The usable clips of the recipe's manifests; the test's speakers are drawn first. Raises DataError."""
    limits = Limits(min_s=settings.min_s, max_s=settings.max_s)
    clips = manifests.read_all([data / name for name in settings.manifests], limits, on_bad=settings.on_bad, say=say)
    rest, test = by_speaker(clips, settings.test, settings.seed) if settings.test else (clips, [])
    train, validation = by_speaker(rest, settings.validation, settings.seed)
    return Split(train, validation, test)


@dataclass(frozen=True)
class Utterance:
    """A clip as the network is taught it. `samples`: int16, 16 kHz, (n,). `label`: numbers of its letters."""

    clip: Clip
    samples: NDArray[np.int16]
    label: list[int]


def heard(
    clips: Sequence[Clip],
    spell: Callable[[str], list[int]],
    frames_out: Callable[[int], int],
    *,
    on_bad: manifests.OnBad,
    say: Say = print,
) -> list[Utterance]:
    """The clips read, and their texts spelled. All that is wrong is told at once: a file that cannot be read, a letter that is
    not in the vocabulary, a clip too short for CTC to write its text on."""
    found, problems = [], []
    for clip in clips:
        try:
            samples = audio.to_int16(audio.load(clip.audio))
            label = spell(clip.text)
        except DataError as error:
            problems.append(str(error))
            continue
        except UnknownCharacter as error:
            problems.append(f"{clip.audio}: {error}")
            continue
        frames, needed = frames_out(len(samples)), frames_needed(label)
        if not label:
            problems.append(f"{clip.audio}: the text {clip.text!r} holds no letter.")
        elif frames < needed:
            problems.append(
                f'{clip.audio}: too short: {frames} frames come out of {len(samples) / SAMPLE_RATE:.2f} s, and "{clip.text}" '
                f"needs {needed} (a letter each, and one between two of the same)."
            )
        else:
            found.append(Utterance(clip, samples, label))
    manifests.refuse(problems, on_bad, say)
    if not found:
        raise DataError("No clip is left to use.")
    return found


class Batches:
    """Batch i of an epoch: a dictionary of tensors for the network. The same epoch and place give the same batch in every
    process."""

    def __init__(
        self,
        utterances: Sequence[Utterance],
        features: FeatureExtractionMixin,
        channel: Channel,
        size: int,
        seed: int,
        fewest: int,
    ) -> None:
        """`size`: clips a batch. `fewest`: samples that a batch has at least; shorter ones get silence behind."""
        self.utterances, self.features, self.channel = utterances, features, channel
        self.size, self.seed, self.fewest = size, seed, fewest
        self._line = telephony.Telephone(channel.telephone)

    def __call__(self, epoch: int) -> "Epoch":
        """Its batches in their order; see `alike`."""
        lengths = [len(utterance.samples) for utterance in self.utterances]
        return Epoch(self, epoch, alike(lengths, self.size, seed=self.seed, epoch=epoch))

    def waveform(self, index: int, epoch: int) -> Audio:
        """Utterance `index` as this epoch hears it, never shorter than it was."""
        utterance = self.utterances[index]
        recorded = audio.to_float(utterance.samples)
        rng = np.random.default_rng([self.seed, epoch, index])
        if rng.random() < self.channel.drawn:
            sent = self._line(recorded, rng)
            return np.pad(sent, (0, max(0, len(recorded) - len(sent))))  # its text needs the frames
        return line(recorded, self.channel)


class Epoch(Sequence):
    """The batches of one epoch, made when asked for."""

    def __init__(self, batches: Batches, number: int, chunks: Sequence[NDArray]) -> None:
        self._batches, self._number, self._chunks = batches, number, chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        b = self._batches
        chosen = [int(index) for index in self._chunks[place]]
        return collate(
            [b.waveform(index, self._number) for index in chosen],
            [b.utterances[index].label for index in chosen],
            b.features,
            b.fewest,
        )


def line(recorded: Audio, channel: Channel) -> Audio:
    """A clip as validation and test hear it."""
    return telephony.plain(recorded) if channel.plain else recorded


def collate(
    waveforms: Sequence[Audio], labels: Sequence[list[int]], features: FeatureExtractionMixin, fewest: int = 0
) -> dict[str, torch.Tensor]:
    """Tensors of a batch: "input_values" (B, samples), "labels" (B, letters) filled up with IGNORED, and "attention_mask" for
    networks that were pretrained with one (the others hear silence behind the shorter clips)."""
    given: dict[str, Any] = features(
        list(waveforms),
        sampling_rate=SAMPLE_RATE,
        padding="max_length",
        max_length=max(fewest, *map(len, waveforms)),
        return_tensors="pt",
    )
    longest = max(map(len, labels))
    filled = [[*label, *[IGNORED] * (longest - len(label))] for label in labels]
    return {**given, "labels": torch.tensor(filled)}
