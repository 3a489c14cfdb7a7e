"""Which parameters of a Whisper learn.

For short contexts, the encoder alone: it is the encoder that loses its way when the silence behind the words is cut off, and a decoder that does not change keeps its
languages, its spelling and its writing. For new words, the decoder too (it must learn to write them), or low-rank matrices in all of it.
The positions never learn (a table of sines), nor does the embedding of the tokens unless all does: most of it is of tokens that no clip has.
"""

import copy

from torch import nn
from transformers import WhisperForConditionalGeneration

from training.whisper.settings import Part, Train

_EMBEDDINGS = ("embed_tokens", "embed_positions")


def learns(name: str, part: Part) -> bool:
    """Whether the parameter of that name learns."""
    if part == "all":
        return "encoder.embed_positions" not in name
    if any(word in name for word in _EMBEDDINGS) or name.startswith("proj_out"):
        return False
    if part == "encoder":
        return name.startswith("model.encoder.")
    if part == "cross_attention":
        return name.startswith("model.encoder.") or ".encoder_attn" in name
    return name.startswith("model.decoder.")


def choose_part(model: WhisperForConditionalGeneration, settings: Train) -> nn.Module:
    """`model` with the chosen part to learn; wrapped by peft when the recipe says low-rank matrices."""
    if settings.lora is None:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_(learns(name, settings.part))
        return model
    from peft import LoraConfig, get_peft_model

    targets = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear)
        and name.rpartition(".")[2] in settings.lora.modules
        and learns(name, settings.part)
    ]
    lora = settings.lora
    return get_peft_model(
        model, LoraConfig(r=lora.rank, lora_alpha=lora.alpha, lora_dropout=lora.dropout, target_modules=targets)
    )


def merged(model: nn.Module) -> WhisperForConditionalGeneration:
    """The plain Whisper that a trained model is, low-rank matrices merged into its weights."""
    from peft import PeftModel

    if isinstance(model, PeftModel):
        return copy.deepcopy(model).merge_and_unload()
    return model
