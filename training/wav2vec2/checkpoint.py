"""The network that fine-tuning begins from, with a head for the letters to be learned."""

from pathlib import Path

import torch
from transformers import (
    AutoFeatureExtractor,
    AutoModelForCTC,
    AutoTokenizer,
    FeatureExtractionMixin,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from pipelines.errors import ModelError
from pipelines.units import SAMPLE_RATE
from training.wav2vec2 import vocabulary
from training.wav2vec2.settings import NetSettings

_TRUST = {"trust_remote_code": False}  # no code that came with weights is run


def load(
    base: str, settings: NetSettings, characters: str
) -> tuple[PreTrainedModel, FeatureExtractionMixin, PreTrainedTokenizerBase]:
    """Network, feature extractor and tokenizer. `base`: a folder, or OWNER/NAME on the hub. `characters`: what the manifest's texts are
    written with.

    Raises ModelError: nothing is there, it does not hear waveforms of 16 kHz, or it has no letters when its own are asked for.
    """
    if not Path(base).is_dir() and base.count("/") != 1:
        raise ModelError(f"{base} is no folder, and no OWNER/NAME on the hub. Mend `base` in the recipe.")
    transformers_logging.disable_progress_bar()
    transformers_logging.set_verbosity_error()  # what is missing is looked at below
    try:
        features = AutoFeatureExtractor.from_pretrained(base, **_TRUST)
        if features.model_input_names[0] != "input_values" or features.sampling_rate != SAMPLE_RATE:
            raise ModelError(
                f"{base} hears {features.model_input_names[0]} at {features.sampling_rate} Hz. Take a network that hears "
                f"waveforms of {SAMPLE_RATE} Hz: wav2vec 2.0, HuBERT, WavLM, data2vec-audio ..."
            )
        own = settings.vocabulary == "base"
        tokenizer = AutoTokenizer.from_pretrained(base, **_TRUST) if own else vocabulary.tokenizer(characters)
        net, found = AutoModelForCTC.from_pretrained(
            base,
            dtype=torch.float32,
            vocab_size=len(tokenizer),
            pad_token_id=tokenizer.pad_token_id,
            ctc_loss_reduction="mean",
            ctc_zero_infinity=False,  # an infinite loss is to be seen and counted
            attention_dropout=settings.dropout,
            hidden_dropout=settings.dropout,
            feat_proj_dropout=settings.dropout,
            final_dropout=settings.dropout,
            layerdrop=settings.layer_drop,
            mask_time_prob=settings.mask_time,
            mask_time_length=settings.mask_frames,
            ignore_mismatched_sizes=not own,
            output_loading_info=True,
            **_TRUST,
        )
    except (OSError, ValueError, RuntimeError) as error:
        first = str(error).strip().partition("\n")[0].rstrip(".")
        raise ModelError(
            f"No network to fine-tune in {base}: {first}. Give a folder saved by transformers, or a name that the hub has."
        ) from error
    new = ("masked_spec_embed",) if own else ("masked_spec_embed", "lm_head.weight", "lm_head.bias")
    lacking = [*found["missing_keys"], *(name for name, *_ in found["mismatched_keys"])]
    if lacking := sorted(name for name in lacking if not name.endswith(new)):
        raise ModelError(
            f"{base} lacks {len(lacking)} weights of its own network ({lacking[0]}, ...): they would be random. Take another."
        )
    if not own:
        torch.nn.init.normal_(net.lm_head.weight, std=0.02)  # of as many letters as before, they are not the same ones
        torch.nn.init.zeros_(net.lm_head.bias)
    _freeze(net, settings.freeze)
    if settings.checkpointing:
        net.gradient_checkpointing_enable()
    return net, features, tokenizer


def _freeze(net: PreTrainedModel, part: str) -> None:
    if part == "front":
        net.freeze_feature_encoder()
    elif part == "body":
        net.freeze_base_model()
