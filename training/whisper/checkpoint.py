"""Where a Whisper to start from comes from: the model store, a local folder, or the hub by name.

The store's Whisper is a CTranslate2 file in float16, made for speaking to, not for teaching. It holds every tensor of the original, under
other names and with the projections of a layer's attention joined; taken apart again, it is the published checkpoint, rounded
to float16. Layout of the file: `pipelines/models/ctranslate2_file.py`; names: `ctranslate2/converters/transformers.py` (`WhisperLoader`).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from pipelines.errors import ModelError
from pipelines.models.ctranslate2_file import tensors
from pipelines.models.store import Store

if TYPE_CHECKING:
    import tokenizers
    from transformers import WhisperConfig, WhisperForConditionalGeneration

_MULTILINGUAL = 51_865  # tokens: the test that CTranslate2 makes
_TOKENIZER = {
    "tokenizer_class": "WhisperTokenizer",
    **dict.fromkeys(("bos_token", "eos_token", "unk_token", "pad_token"), "<|endoftext|>"),
}


class Checkpoint(msgspec.Struct, frozen=True):
    """A model, in float32, and the tokenizer that belongs to it. `multilingual`: whether the prompt names a language and a task."""

    model: "WhisperForConditionalGeneration"
    tokenizer: "tokenizers.Tokenizer"
    name: str

    @property
    def multilingual(self) -> bool:
        return self.model.config.vocab_size >= _MULTILINGUAL

    def save(self, folder: Path) -> Path:
        """Write a folder that transformers, and `load`, read again: weights as safetensors, tokenizer, feature extractor."""
        from transformers import WhisperFeatureExtractor

        folder.mkdir(parents=True, exist_ok=True)
        self.model.save_pretrained(folder)
        self.tokenizer.save(str(folder / "tokenizer.json"))
        (folder / "tokenizer_config.json").write_text(json.dumps(_TOKENIZER, indent=2), encoding="utf-8")
        WhisperFeatureExtractor(feature_size=self.model.config.num_mel_bins).save_pretrained(folder)
        return folder


def load(source: str, store: Store | None = None) -> Checkpoint:
    """The checkpoint that `source` names: a folder (of transformers, or converted for CTranslate2 in float32 or float16), else a model of the store
    ("whisper-base"), else a repository of the hub ("openai/whisper-small"). Raises ModelError."""
    folder = Path(source).expanduser()
    store = store or Store()
    if folder.is_dir():
        return _from_folder(folder, source)
    if source in store.registry:
        return _from_folder(store.path(source), source)
    if "/" not in source or source.startswith((".", "/", "~")):
        raise ModelError(
            f'"{source}" is no folder and no model of the store: see `allo models list`, or name a hub repository as OWNER/NAME.'
        )
    return _from_hub(source)


def _from_folder(folder: Path, name: str) -> Checkpoint:
    import tokenizers

    if not (folder / "tokenizer.json").is_file():
        raise ModelError(f"tokenizer.json missing in {folder}: copy it from the model that was trained.")
    tokenizer = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    if (folder / "model.bin").is_file() and (folder / "vocabulary.txt").is_file() | (
        folder / "vocabulary.json"
    ).is_file():
        return Checkpoint(_from_ctranslate2(folder, tokenizer), tokenizer, name)
    from transformers import WhisperForConditionalGeneration

    try:
        model = WhisperForConditionalGeneration.from_pretrained(folder, local_files_only=True, dtype="float32")
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder} holds no Whisper checkpoint ({error}).") from error
    return Checkpoint(model, tokenizer, name)


def _from_hub(name: str) -> Checkpoint:
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(name, allow_patterns=["*.json", "*.safetensors", "*.txt"])
    except Exception as error:  # the hub's client raises whatever its transport raises
        raise ModelError(
            f"{name} cannot be had from the hub ({type(error).__name__}): give a folder or a model of the store."
        ) from error
    return _from_folder(Path(folder), name)


def _from_ctranslate2(folder: Path, tokenizer: "tokenizers.Tokenizer") -> "WhisperForConditionalGeneration":
    import torch
    from transformers import GenerationConfig, WhisperForConditionalGeneration

    data = (folder / "model.bin").read_bytes()
    found = {tensor.name: tensor.read(data) for tensor in tensors(data, folder / "model.bin")}
    if any(values.dtype == np.int8 and values.ndim == 2 for values in found.values()):
        raise ModelError(
            f"{folder} holds rounded weights (int8), which cannot be trained: take the float16 conversion."
        )
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    config = _config(found, tokenizer)
    model = WhisperForConditionalGeneration(config)
    state = {name: torch.from_numpy(values.astype(np.float32)) for name, values in _renamed(found)}
    state["proj_out.weight"] = state["model.decoder.embed_tokens.weight"]
    model.load_state_dict(state, strict=True)  # every tensor, and none too many
    model.tie_weights()
    model.generation_config = GenerationConfig(
        decoder_start_token_id=config.decoder_start_token_id,
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
        pad_token_id=config.pad_token_id,
        max_length=config.max_target_positions,
        suppress_tokens=settings.get("suppress_ids"),
        begin_suppress_tokens=settings.get("suppress_ids_begin"),
        alignment_heads=settings.get("alignment_heads"),
        no_timestamps_token_id=tokenizer.token_to_id("<|notimestamps|>"),
        lang_to_id={tokenizer.id_to_token(number): number for number in settings.get("lang_ids", [])},
    )
    return model.eval()


def _config(found: dict[str, np.ndarray], tokenizer: "tokenizers.Tokenizer") -> "WhisperConfig":
    from transformers import WhisperConfig

    def layers(part: str) -> int:
        return 1 + max(
            int(name.split("/")[1][6:])
            for name in found
            if name.startswith(f"{part}/layer_") and name.split("/")[1] != "layer_norm"
        )

    end = tokenizer.token_to_id("<|endoftext|>")
    width, bins, _ = found["encoder/conv1/weight"].shape
    return WhisperConfig(
        vocab_size=len(found["decoder/embeddings/weight"]),
        num_mel_bins=bins,
        d_model=width,
        encoder_layers=layers("encoder"),
        decoder_layers=layers("decoder"),
        encoder_attention_heads=int(found["encoder/num_heads"]),
        decoder_attention_heads=int(found["decoder/num_heads"]),
        encoder_ffn_dim=len(found["encoder/layer_0/ffn/linear_0/weight"]),
        decoder_ffn_dim=len(found["decoder/layer_0/ffn/linear_0/weight"]),
        max_source_positions=len(found["encoder/position_encodings/encodings"]),
        max_target_positions=len(found["decoder/position_encodings/encodings"]),
        decoder_start_token_id=tokenizer.token_to_id("<|startoftranscript|>"),
        bos_token_id=end,
        eos_token_id=end,
        pad_token_id=end,
    )


_PLAIN = {
    "encoder/position_encodings/encodings": "model.encoder.embed_positions.weight",
    "decoder/position_encodings/encodings": "model.decoder.embed_positions.weight",
    "decoder/embeddings/weight": "model.decoder.embed_tokens.weight",
}
_JOINED = {  # by part: what the rows of the projections of its attention are, from top to bottom
    "self_attention/linear_0": ("self_attn", "qkv"),
    "attention/linear_0": ("encoder_attn", "q"),
    "attention/linear_1": ("encoder_attn", "kv"),
}
_PARTS = {
    "self_attention/linear_1": "self_attn.out_proj",
    "self_attention/layer_norm": "self_attn_layer_norm",
    "attention/linear_2": "encoder_attn.out_proj",
    "attention/layer_norm": "encoder_attn_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
    "ffn/layer_norm": "final_layer_norm",
}
_KINDS = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def _renamed(found: dict[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """Tensors under the names of transformers; what only says how CTranslate2 runs them (activation, heads ...) is left out."""
    for name, values in found.items():
        if name in _PLAIN:
            yield _PLAIN[name], values
            continue
        side, _, rest = name.partition("/")
        path, _, kind = rest.rpartition("/")
        if kind not in _KINDS:
            continue
        layer, _, part = path.partition("/")
        if not layer.startswith("layer_") or layer == "layer_norm":
            yield f"model.{side}.{path}.{_KINDS[kind]}", values  # conv1, conv2, layer_norm
            continue
        stem = f"model.{side}.layers.{layer[6:]}"
        if part not in _JOINED:
            yield f"{stem}.{_PARTS[part]}.{_KINDS[kind]}", values
            continue
        attention, letters = _JOINED[part]
        for letter, rows in zip(letters, np.split(values, len(letters)), strict=True):
            if (letter, kind) != ("k", "bias"):  # keys have none: zeros, put there to join them
                yield f"{stem}.{attention}.{letter}_proj.{kind}", rows
