"""wav2vec 2.0, HuBERT and every other network that transformers loads as `AutoModelForCTC`: a waveform in, a letter every 20 ms out.

Sources: Baevski et al. 2020, "wav2vec 2.0"; Hsu et al. 2021, "HuBERT"; https://github.com/huggingface/transformers. Greedy: the
likeliest letter of each frame, repeats merged, blanks dropped (Graves et al. 2006).

It hears a whole utterance at once and looks both ways, so partials are heard again from the start; it expects no hot words and
tells no languages apart: asked for several, it answers in the first of those it was trained on.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import (
    AutoFeatureExtractor,
    AutoModelForCTC,
    AutoTokenizer,
    FeatureExtractionMixin,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as transformers_logging

from pipelines.errors import ModelError
from pipelines.models import exported
from pipelines.models.ports import Audio, Transcript
from pipelines.units import SAMPLE_RATE

FILES = ("config.json", "model.safetensors", "preprocessor_config.json", "tokenizer_config.json", "vocab.json")

_MAX_SAMPLES = 30 * SAMPLE_RATE  # attention costs the square of it
_BROKEN = "Export it again (allo train wav2vec2)."


class Wav2Vec2:
    """Serves all calls, from one thread at a time; keeps nothing between calls."""

    def __init__(self, folder: Path, *, threads: int) -> None:
        """`folder`: a checkpoint saved by transformers, with tokenizer and feature extractor. `threads`: CPU threads of torch, for
        this process. Raises ModelError when a file is missing or broken."""
        if missing := [name for name in FILES if not (folder / name).is_file()]:
            raise ModelError(f"{', '.join(missing)} missing in {folder}. {_BROKEN}")
        torch.set_num_threads(threads)
        transformers_logging.disable_progress_bar()  # a server's log is no place for one
        try:
            # A folder that does not exist would be looked for on the hub; code that lies in one is never run.
            here = {"local_files_only": True, "trust_remote_code": False}
            self._features = AutoFeatureExtractor.from_pretrained(folder, **here)
            self._tokenizer = AutoTokenizer.from_pretrained(folder, **here)
            net, found = AutoModelForCTC.from_pretrained(
                folder, use_safetensors=True, dtype=torch.float32, output_loading_info=True, **here
            )
            # What is not in the file would be random, without a word. (The embedding of masks is of use in training only.)
            if lacking := [name for name in found["missing_keys"] if not name.endswith("masked_spec_embed")]:
                raise ValueError(f"{', '.join(sorted(lacking)[:3])} not in model.safetensors")
            self._net = net.eval()
            self._fewest = fewest_samples(self._net.config)
            self.log_probs(np.zeros(SAMPLE_RATE, np.float32))  # the first run allocates: not while a caller waits
        except Exception as error:  # transformers raises whatever its parts do
            raise ModelError(f"No wav2vec2 model can be loaded from {folder}: {error}. {_BROKEN}") from error
        if self._features.sampling_rate != SAMPLE_RATE:
            raise ModelError(
                f"{folder} hears {self._features.sampling_rate} Hz, and calls have {SAMPLE_RATE}. Train another."
            )
        self._languages = exported.languages_of(folder)

    def transcribe(self, audio: Audio, *, languages: Sequence[str], final: bool, hot_words: str = "") -> Transcript:
        """Words in up to 30 s of audio. Raises ModelError, also when the model was trained on none of the languages."""
        known = [language for language in languages if language in self._languages or not self._languages]
        if not known:
            raise ModelError(
                f"This model was trained on {', '.join(self._languages)}, and not on {', '.join(languages)}."
            )
        sure = 1.0 / len(known)
        if audio.size < self._fewest:
            return Transcript("", known[0], sure)
        return Transcript(written(self.log_probs(audio), self._tokenizer), known[0], sure)

    def log_probs(self, audio: Audio) -> NDArray[np.float32]:
        """(frames, symbols), natural logarithms; a frame lasts 20 ms with the published front ends. Raises ModelError."""
        if not self._fewest <= audio.size <= _MAX_SAMPLES:
            raise ModelError(
                f"A wav2vec2 model takes {self._fewest / SAMPLE_RATE:.3f} to {_MAX_SAMPLES // SAMPLE_RATE} s at once, "
                f"not {audio.size / SAMPLE_RATE:.3f} s."
            )
        try:
            return scores(audio, self._net, self._features)
        except RuntimeError as error:
            raise ModelError("The wav2vec2 model failed.") from error


def scores(audio: Audio, net: PreTrainedModel, features: FeatureExtractionMixin) -> NDArray[np.float32]:
    """Log-probabilities (frames, symbols) of `net`, which is in evaluation mode, on whatever device it is."""
    given = features(audio, sampling_rate=SAMPLE_RATE, return_tensors="pt").to(net.device)
    with torch.inference_mode():
        logits = net(**given).logits[0]
    return torch.log_softmax(logits.float(), dim=-1).cpu().numpy()


def written(log_probs: NDArray[np.float32], tokenizer: PreTrainedTokenizerBase) -> str:
    """The likeliest letters as text; in lower case if the tokenizer knows no other than capitals."""
    ours = {
        tokenizer.pad_token_id,
        tokenizer.word_delimiter_token_id,
    }  # blank and space are written; <unk>, <s> and </s> never
    never = [number for number in tokenizer.all_special_ids if number not in ours]
    path = np.delete(np.arange(log_probs.shape[1]), never)[np.delete(log_probs, never, axis=1).argmax(axis=1)]
    # With skip_special_tokens the blanks go before repeats are merged: "elle" would be "ele". Cleaning up is meant for subwords:
    # it would join "that 's".
    text = tokenizer.decode(path.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    return " ".join(text.split()).lower() if text.isupper() else " ".join(text.split())


def fewest_samples(config: PretrainedConfig) -> int:
    """Samples that the convolutions of the front end need for one frame; 1 for a network without any."""
    needed = 1
    layers = zip(getattr(config, "conv_kernel", ()), getattr(config, "conv_stride", ()), strict=True)
    for kernel, stride in reversed(list(layers)):
        needed = (needed - 1) * stride + kernel
    return needed
