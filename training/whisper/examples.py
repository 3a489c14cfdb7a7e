"""From clips to the tensors of a training step."""

from collections.abc import Sequence

import numpy as np
import tokenizers
import torch
from faster_whisper.feature_extractor import FeatureExtractor
from faster_whisper.tokenizer import Tokenizer

from pipelines.adapters.stt.context import FULL
from training.common import audio
from training.common.manifests import Clip
from training.common.telephony import Telephone, plain
from training.whisper.frames import context_frames, in_context
from training.whisper.settings import Channel, Context

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
    """Clips as features and labels. The telephone is drawn anew each time a clip is asked for; `epoch` and the clip seed it."""

    def __init__(self, clips: Sequence[Clip], labels: Labels, bins: int, channel: Channel, seed: int) -> None:
        self.clips, self._channel, self._seed = list(clips), channel, seed
        self.labels = [labels(clip.text, clip.language) for clip in self.clips]
        self._extract = FeatureExtractor(feature_size=bins)  # the server's, not transformers': the same numbers
        self._telephone = Telephone(channel.telephone)
        self._asked: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self.clips)

    def __getitem__(self, index: int) -> dict:
        times = self._asked[index] = self._asked.get(index, -1) + 1
        rng = np.random.default_rng((self._seed, index, times))
        return {"index": index, "features": self.features(index, rng), "labels": self.labels[index]}

    def features(self, index: int, rng: np.random.Generator | None = None) -> np.ndarray:
        """(bins, n): of the plain line without `rng`."""
        samples = audio.load(self.clips[index].audio)
        if rng is not None and rng.random() < self._channel.drawn:
            samples = self._telephone(samples, rng)
        elif self._channel.plain:
            samples = plain(samples)
        return self._extract(samples)[:, :FULL]


class Batches:
    """Collates examples: one context for all, as long as the longest with a margin drawn for the batch. A batch at the full
    context is a quarter as large."""

    def __init__(self, context: Context, seed: int) -> None:
        self._context, self._rng = context, np.random.default_rng((seed, 1))

    def __call__(self, examples: Sequence[dict]) -> dict[str, torch.Tensor]:
        """`input_features` (batch, bins, frames), `labels` (batch, tokens; what is not of a label is -100), `index` (batch,)."""
        margin = self._rng.uniform(*self._context.margin_s)
        if self._rng.random() < self._context.full:
            # Thirty seconds cost as much as ten utterances: a quarter of the batch tells enough.
            margin, examples = 30.0, examples[: max(1, len(examples) // 4)]
        return collate(examples, margin)


def collate(examples: Sequence[dict], margin_s: float) -> dict[str, torch.Tensor]:
    """A batch with that margin behind its longest utterance."""
    frames = context_frames(max(example["features"].shape[1] for example in examples), margin_s)
    longest = max(len(example["labels"]) for example in examples)
    labels = torch.full((len(examples), longest), IGNORED)
    for row, example in zip(labels, examples, strict=True):
        row[: len(example["labels"])] = torch.tensor(example["labels"])
    features = np.stack([in_context(example["features"], frames) for example in examples])
    index = torch.tensor([example["index"] for example in examples])
    return {"input_features": torch.from_numpy(features), "labels": labels, "index": index}
