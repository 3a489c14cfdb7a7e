"""Whisper's encoder on any number of frames.

The published encoder takes 30 s and refuses less. Nothing in it needs that: the convolutions and the attention take any length, and the positions are
a table of sines whose first rows serve a shorter context. So the same weights are run on fewer frames, in proportionally less time (and the
attention's share of it in quadratically less). That CTranslate2 does the same is what makes short contexts worth training.
"""

import torch
from torch import nn
from transformers import WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.whisper.modeling_whisper import WhisperEncoder


class AnyContextEncoder(WhisperEncoder):
    """The published encoder without its demand for 30 s."""

    def forward(
        self, input_features: torch.Tensor, attention_mask: torch.Tensor | None = None, **kwargs
    ) -> BaseModelOutput:
        """`input_features`: (batch, bins, frames), an even number of frames up to twice the positions. Output: (batch, frames / 2, width)."""
        hidden = nn.functional.gelu(self.conv1(input_features))
        hidden = nn.functional.gelu(self.conv2(hidden)).permute(0, 2, 1)
        if hidden.shape[1] > self.embed_positions.num_embeddings:
            raise ValueError(
                f"{input_features.shape[-1]} frames are more than Whisper's {2 * self.embed_positions.num_embeddings}"
            )
        hidden = hidden + self.embed_positions.weight[: hidden.shape[1]]
        hidden = nn.functional.dropout(hidden, p=self.dropout, training=self.training)
        for layer in self.layers:
            hidden = layer(hidden, None)
        return BaseModelOutput(last_hidden_state=self.layer_norm(hidden))


def take_any_context(model: WhisperForConditionalGeneration) -> WhisperForConditionalGeneration:
    """The same model, the same tensors under the same names, with an encoder that takes any context; what is saved of it is a plain Whisper."""
    model.model.encoder.__class__ = AnyContextEncoder
    return model
