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
    return torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1), batch["labels"], lengths, batch["label_lengths"], blank=0
    )


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
        features, lengths = pad([net.features(utterances[i].audio) for i in some])
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
