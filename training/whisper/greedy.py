"""Whisper's most likely words straight from a checkpoint, in any context: what a conversion is compared with."""

import numpy as np
import tokenizers
import torch
from faster_whisper.tokenizer import Tokenizer
from numpy.typing import NDArray
from transformers import WhisperForConditionalGeneration

from pipelines.adapters.stt.whisper import in_context
from training.whisper.checkpoint import Checkpoint
from training.whisper.frames import context_frames
from training.whisper.short import take_any_context

_MAX_TOKENS = 220


@torch.no_grad()
def greedy(
    checkpoint: Checkpoint,
    features: NDArray[np.float32],
    language: str,
    *,
    margin_s: float = 30.0,
    max_tokens: int = _MAX_TOKENS,
) -> str:
    """The transcript of features (bins, n) with `margin_s` seconds of context behind them."""
    model = take_any_context(checkpoint.model).eval()
    frames = context_frames(features.shape[1], margin_s)
    tokens = tokens_of(
        model, checkpoint.tokenizer, in_context(features, frames), language, checkpoint.multilingual, max_tokens
    )
    return checkpoint.tokenizer.decode(tokens, skip_special_tokens=True).strip()


def tokens_of(
    model: WhisperForConditionalGeneration,
    tokenizer: tokenizers.Tokenizer,
    context: NDArray[np.float32],
    language: str,
    multilingual: bool,
    max_tokens: int,
) -> list[int]:
    """Token after token, the likeliest that may be said; what may not is in the checkpoint's generation settings."""
    words = Tokenizer(tokenizer, multilingual, task="transcribe", language=language or "en")
    prompt = torch.tensor([[*words.sot_sequence, words.no_timestamps]])
    settings = model.generation_config
    never = [*(settings.suppress_tokens or ())]
    first = [*never, *(settings.begin_suppress_tokens or ())]
    hidden = model.model.encoder(torch.from_numpy(context)[None]).last_hidden_state
    said: list[int] = []
    past, given = None, prompt
    while len(said) < max_tokens:
        out = model.model.decoder(input_ids=given, encoder_hidden_states=hidden, past_key_values=past, use_cache=True)
        past = out.past_key_values
        scores = model.proj_out(out.last_hidden_state[0, -1])
        scores[first if not said else never] = -torch.inf
        scores[words.timestamp_begin :] = -torch.inf
        token = int(scores.argmax())
        if token == words.eot:
            break
        said.append(token)
        given = torch.tensor([[token]])
    return said
