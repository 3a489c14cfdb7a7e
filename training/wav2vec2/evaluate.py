"""How a network does on clips: word and character errors of what the server would write, and its loss."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from transformers import FeatureExtractionMixin, PreTrainedModel, PreTrainedTokenizerBase

from pipelines.adapters.stt.wav2vec2 import scores, written
from training.common import audio
from training.common.measures import Errors, character_errors, interval, rate, word_errors
from training.wav2vec2.data import Utterance, line
from training.wav2vec2.settings import Channel


@dataclass(frozen=True)
class Heard:
    """What a network made of a set of clips. `loss`: mean CTC loss a letter."""

    loss: float
    texts: list[str] = field(repr=False)
    words: list[Errors] = field(repr=False)
    characters: list[Errors] = field(repr=False)

    def measures(self) -> dict[str, float]:
        """Rates from 0 upwards."""
        return {"loss": self.loss, "wer": rate(self.words), "cer": rate(self.characters)}

    def figures(self) -> dict[str, float]:
        """In percent, with the bounds that hold the word error rate in 95 of 100 draws of clips."""
        low, high = interval(self.words)
        return {
            "clips": len(self.texts),
            "wer": 100 * rate(self.words),
            "wer_low": 100 * low,
            "wer_high": 100 * high,
            "cer": 100 * rate(self.characters),
        }


def listen(
    net: PreTrainedModel,
    features: FeatureExtractionMixin,
    tokenizer: PreTrainedTokenizerBase,
    utterances: Sequence[Utterance],
    channel: Channel,
    language: str,
) -> Heard:
    """Run `net`, put into evaluation mode, over each clip alone, as the server does. `language`: of clips that name none."""
    net.eval()
    texts, losses = [], []
    for utterance in utterances:
        log_probs = scores(line(audio.to_float(utterance.samples), channel), net, features)
        texts.append(written(log_probs, tokenizer))
        losses.append(_loss(log_probs, utterance.label, net.config.pad_token_id))
    pairs = [(u.clip.text, text, u.clip.language or language) for u, text in zip(utterances, texts, strict=True)]
    return Heard(
        loss=float(np.mean(losses)),
        texts=texts,
        words=[word_errors(*pair) for pair in pairs],
        characters=[character_errors(*pair) for pair in pairs],
    )


def _loss(log_probs: np.ndarray, label: list[int], blank: int) -> float:
    return torch.nn.functional.ctc_loss(
        torch.from_numpy(log_probs)[:, None],
        torch.tensor([label]),
        torch.tensor([len(log_probs)]),
        torch.tensor([len(label)]),
        blank=blank,
    ).item()
