"""Checkpoints to begin from: the real networks of wav2vec 2.0 and HuBERT, far smaller, with weights drawn at random."""

from pathlib import Path


def base(folder: Path, family: str = "wav2vec2", seed: int = 0, vocabulary: int = 32) -> Path:
    """As a hub has them before they learn to write: network and feature extractor, no vocabulary."""
    import torch
    from transformers import AutoModelForCTC, HubertConfig, Wav2Vec2Config, Wav2Vec2FeatureExtractor

    torch.manual_seed(seed)
    config = {"wav2vec2": Wav2Vec2Config, "hubert": HubertConfig}[family](
        vocab_size=vocabulary,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32,) * 7,
        num_conv_pos_embeddings=16,
        num_conv_pos_embedding_groups=2,
        mask_time_length=2,
        layerdrop=0.0,
        pad_token_id=0,
        ctc_loss_reduction="mean",
    )
    AutoModelForCTC.from_config(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(do_normalize=True).save_pretrained(folder)
    return folder
