"""How a net does on clips it was not trained on: word and character errors of what it writes, and its loss."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from pipelines.nets.alphabet import Alphabet
from pipelines.nets.ctc import CtcNet, pad
from pipelines.nets.decoding import greedy
from training.common.measures import Errors, character_errors, interval, rate, word_errors
from training.ctc.data import Utterance

_TOGETHER = 32  # clips run at once
_IMPOSSIBLE = 1e4


@dataclass(frozen=True)
class Heard:
    """What a net made of a set of clips."""

    loss: float
    """Mean CTC loss a character, as in training."""
    texts: list[str]
    words: list[Errors] = field(repr=False)
    characters: list[Errors] = field(repr=False)
    searched: list[Errors] = field(repr=False, default_factory=list)
    """Word errors when only the words of the training may be written (beam search); empty if that was not asked for."""

    @property
    def wer(self) -> float:
        """Word errors by words, 0 upwards."""
        return rate(self.words)

    @property
    def cer(self) -> float:
        """Character errors by characters, 0 upwards."""
        return rate(self.characters)

    @property
    def wer_interval(self) -> tuple[float, float]:
        """Which holds it in 95 of 100 draws of clips."""
        return interval(self.words)


def ctc_loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """CTC's loss: for each clip, by the characters of its label; then the mean."""
    log_probs, lengths = model(batch["features"], batch["lengths"])
    return _by_characters(log_probs, lengths, batch)


def _by_characters(log_probs: torch.Tensor, lengths: torch.Tensor, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1), batch["labels"], lengths, batch["label_lengths"], blank=0
    )


class Choice:
    """CTC's loss (`ctc_loss`), and `weight` times that of choosing the clip's text among `labels`, all that there are: the cross entropy of CTC's
    probability of each. CTC alone asks how likely the right text is, this how much likelier than the wrong ones (maximum mutual
    information, Bahl et al. 1986); for a menu's words it is what they will be asked."""

    def __init__(self, labels: Sequence[Sequence[int]], weight: float) -> None:
        self._weight = weight
        self._number = {tuple(label): number for number, label in enumerate(labels)}
        self._labels = torch.tensor([character for label in self._number for character in label])
        self._lengths = torch.tensor([len(label) for label in self._number])

    def __call__(self, model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
        log_probs, lengths = model(batch["features"], batch["lengths"])
        said = batch["labels"].cpu().split(batch["label_lengths"].tolist())
        right = torch.tensor([self._number[tuple(label.tolist())] for label in said], device=log_probs.device)
        scores = self.scores(log_probs, lengths)
        return _by_characters(log_probs, lengths, batch) + self._weight * torch.nn.functional.cross_entropy(
            scores, right
        )

    def scores(self, log_probs: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Log probability of each text, shape (B, texts), of `log_probs` (B, T, V)."""
        clips, texts = len(log_probs), len(self._number)
        losses = torch.nn.functional.ctc_loss(
            log_probs.transpose(0, 1).repeat_interleave(texts, dim=1),
            self._labels.to(log_probs.device).repeat(clips),
            lengths.repeat_interleave(texts),
            self._lengths.to(log_probs.device).repeat(clips),
            reduction="none",
            zero_infinity=True,
        ).view(clips, texts)
        # A text with more characters than the clip has frames cannot be it, and its gradient would be no number.
        return -losses.masked_fill(losses == 0, _IMPOSSIBLE)


@torch.inference_mode()
def listen(
    net: CtcNet,
    utterances: Sequence[Utterance],
    alphabet: Alphabet,
    search: Callable[[NDArray[np.float32]], str] | None = None,
) -> Heard:
    """Run `net`, which is put into evaluation mode, over `utterances` and compare with their texts. Greedy decoding; `search` is a
    second opinion on the same probabilities."""
    net.eval()
    device = net.mean.device
    texts, found, losses = [""] * len(utterances), [""] * len(utterances), [0.0] * len(utterances)
    order = sorted(range(len(utterances)), key=lambda i: len(utterances[i].audio))
    for start in range(0, len(order), _TOGETHER):
        some = order[start : start + _TOGETHER]
        features, lengths = pad([net.settings.features(utterances[i].audio) for i in some])
        log_probs, frames = net(features.to(device), lengths.to(device))
        each = torch.nn.functional.ctc_loss(
            log_probs.transpose(0, 1),
            torch.tensor([number for i in some for number in utterances[i].label], device=device),
            frames,
            torch.tensor([len(utterances[i].label) for i in some], device=device),
            reduction="none",
        )
        for row, i in enumerate(some):
            losses[i] = each[row].item() / len(utterances[i].label)
            mine = log_probs[row, : frames[row]].cpu().numpy()
            texts[i] = greedy(mine, alphabet)
            found[i] = search(mine) if search else ""
    pairs = [(u.clip.text, text, u.clip.language or "en") for u, text in zip(utterances, texts, strict=True)]
    searched = [
        word_errors(u.clip.text, text, u.clip.language or "en") for u, text in zip(utterances, found, strict=True)
    ]
    return Heard(
        searched=searched if search else [],
        loss=sum(losses) / len(losses),
        texts=texts,
        words=[word_errors(*pair) for pair in pairs],
        characters=[character_errors(said, text, "") for said, text, _ in pairs],  # as spelled: "two" is not "2" here
    )
