"""From clips to the tensors of a training step."""

from collections.abc import Iterator, Sequence

import numpy as np
import tokenizers
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from transformers.trainer_pt_utils import LengthGroupedSampler

from pipelines.adapters.stt.context import FULL
from pipelines.adapters.stt.whisper import in_context
from training.common import audio
from training.common.manifests import Clip
from training.common.telephony import Telephone, plain
from training.whisper.frames import context_frames
from training.whisper.settings import Channel, Context

Features = NDArray[np.float32]

IGNORED = -100
"""A place of the labels that counts for nothing in the loss."""
_MAX_LABELS = 440  # of the decoder's 448 positions


class Labels:
    """Texts as the tokens that the decoder is to say: language, task, no time stamps, words, end.

    The start token is not among them. Whisper puts it in front when it moves the labels by one to make its inputs, so with it here the
    decoder would be given it twice, and be asked to say it.
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, *, multilingual: bool, task: str) -> None:
        self._tokenizer, self._multilingual, self._task = tokenizer, multilingual, task

    def __call__(self, text: str, language: str) -> list[int]:
        """A text begins with a space, as all that Whisper ever wrote did: without it, the first word is another token than when it is served."""
        tokenizer = Tokenizer(self._tokenizer, self._multilingual, task=self._task, language=language or "en")
        prompt = [*tokenizer.sot_sequence[1:], tokenizer.no_timestamps]
        words = self._tokenizer.encode(f" {text.strip()}", add_special_tokens=False).ids
        return [*prompt, *words[:_MAX_LABELS], tokenizer.eot]


class Examples(torch.utils.data.Dataset):
    """Clips with their labels; `Batches` makes their features."""

    def __init__(self, clips: Sequence[Clip], labels: Labels, bins: int, channel: Channel) -> None:
        self.clips, self._channel = list(clips), channel
        self.labels = [labels(clip.text, clip.language) for clip in self.clips]
        self._extract = FeatureExtractor(feature_size=bins)  # the server's, not transformers': the same numbers
        self._telephone = Telephone(channel.telephone)

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> int:
        return index

    def features(self, index: int, rng: np.random.Generator | None = None) -> Features:
        """(bins, n): of the plain line without `rng`."""
        samples = audio.load(self.clips[index].audio)
        if rng is not None and rng.random() < self._channel.drawn:
            samples = self._telephone(samples, rng)
        elif self._channel.plain:
            samples = plain(samples)
        return self._extract(samples)[:, :FULL]


class Batches:
    """Collates examples: one context for all, as long as the longest with a margin drawn for the batch. A batch at the full context is a
    quarter as large.

    Whatever is drawn, the lines of the telephone included, is drawn from the seed and from which clips come together: a training that is
    resumed draws what it would have drawn.
    """

    def __init__(self, examples: Examples, context: Context, seed: int) -> None:
        self._examples, self._context, self._seed = examples, context, seed

    def __call__(self, indices: Sequence[int]) -> dict[str, torch.Tensor]:
        """`input_features` (batch, bins, frames), `labels` (batch, tokens; what is not of a label is -100), `index` (batch,)."""
        rng = np.random.default_rng((self._seed, *indices))
        margin = rng.uniform(*self._context.margin_s)
        if rng.random() < self._context.full:
            # Thirty seconds cost as much as ten utterances: a quarter of the batch tells enough.
            margin, indices = 30.0, indices[: max(1, len(indices) // 4)]
        return collate(self._examples, indices, [self._examples.features(index, rng) for index in indices], margin)


def collate(
    examples: Examples, indices: Sequence[int], features: Sequence[Features], margin_s: float
) -> dict[str, torch.Tensor]:
    """A batch with that margin behind its longest utterance."""
    frames = context_frames(max(sound.shape[1] for sound in features), margin_s)
    texts = [examples.labels[index] for index in indices]
    labels = torch.full((len(texts), max(map(len, texts))), IGNORED)
    for row, text in zip(labels, texts, strict=True):
        row[: len(text)] = torch.tensor(text)
    stacked = np.stack([in_context(sound, frames) for sound in features])
    return {"input_features": torch.from_numpy(stacked), "labels": labels, "index": torch.tensor(list(indices))}


class ByLength(LengthGroupedSampler):
    """Clips of like length together, in an order that the seed and the epoch decide: a resumed training goes on in it."""

    def __init__(self, examples: Examples, batch: int, seed: int) -> None:
        lengths = [round(100 * clip.duration) for clip in examples.clips]
        super().__init__(batch, lengths=lengths, generator=torch.Generator())
        self._seed = seed
        self.set_epoch(0)

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __iter__(self) -> Iterator[int]:
        self.generator.manual_seed(1_000_003 * self._seed + self._epoch)
        return super().__iter__()
