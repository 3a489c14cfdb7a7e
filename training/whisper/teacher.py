"""The unchanged model, asked what it would say.

Loss: the divergence of what the model in training says, at each token of a label, from what the unchanged one says that hears the same recording over a
plain line with much context (self-distillation). This tells more than the label: not only which token is right but how sure the
model was of it and of each other one, the end included. It keeps the model what it was, and lets references that are not quite what was said do little
harm. The idea for short contexts is from https://github.com/futo-org/whisper-acft, which pulls the decoder's hidden states to those of the full
context; the divergence of the probabilities asks for less (hidden states may differ where no word does) and works with a decoder
that learns too.
"""

import torch
from torch import nn
from transformers import WhisperForConditionalGeneration
from transformers.models.whisper.modeling_whisper import shift_tokens_right

from training.whisper.examples import IGNORED, Examples, collate


class Teacher:
    """What the unchanged model says at each token of a label. Asked once for each clip; kept as the decoder's last hidden states (1 kB a token)."""

    def __init__(
        self, model: WhisperForConditionalGeneration, examples: Examples, margin_s: float, device: torch.device
    ) -> None:
        self._model = model.to(device).eval().requires_grad_(False)
        self._examples, self._margin, self._device = examples, margin_s, device
        self._known: dict[int, torch.Tensor] = {}

    @torch.no_grad()
    def logits(self, index: torch.Tensor, tokens: int) -> torch.Tensor:
        """(batch, tokens, vocabulary) for the clips of a batch."""
        numbers = index.tolist()
        unknown = [number for number in numbers if number not in self._known]
        if unknown:
            self._ask(unknown)
        hidden = [self._known[number] for number in numbers]
        stacked = torch.zeros((len(hidden), tokens, hidden[0].shape[1]), device=self._device)
        for row, states in zip(stacked, hidden, strict=True):
            row[: len(states)] = states
        return self._model.proj_out(stacked)

    def _ask(self, numbers: list[int]) -> None:
        examples = [
            {"index": n, "features": self._examples.features(n), "labels": self._examples.labels[n]} for n in numbers
        ]
        batch = collate(examples, self._margin)
        ids = _decoder_inputs(self._model, batch["labels"]).to(self._device)
        states = self._model.model(
            input_features=batch["input_features"].to(self._device), decoder_input_ids=ids
        ).last_hidden_state
        for example, row in zip(examples, states, strict=True):
            self._known[example["index"]] = row[: len(example["labels"])].half()


def _decoder_inputs(model: WhisperForConditionalGeneration, labels: torch.Tensor) -> torch.Tensor:
    return shift_tokens_right(labels, model.config.pad_token_id, model.config.decoder_start_token_id)


def divergence(said: torch.Tensor, taught: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Kullback-Leibler divergence of `said` from `taught`, both logits (batch, tokens, vocabulary); a mean over the tokens of `labels`."""
    counted = labels != IGNORED
    mine, theirs = said[counted].float().log_softmax(-1), taught[counted].float().log_softmax(-1)
    return nn.functional.kl_div(mine, theirs, log_target=True, reduction="batchmean")
