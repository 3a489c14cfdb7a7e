import math

import numpy as np
import pytest
import torch

from pipelines.errors import ModelError
from pipelines.models.ctranslate2_file import tensors
from training.common.audio import load
from training.common.telephony import plain
from training.whisper import checkpoint
from training.whisper.evaluate import Transcriber
from training.whisper.greedy import greedy


def test_the_stores_file_says_as_a_checkpoint_what_it_says_itself(folder, tiny, clips):
    itself = Transcriber(folder, threads=1, compute="float32")
    for clip in clips:
        features = itself.features(clip.audio)
        assert greedy(tiny, features, "en") == itself.hear(features, "en", margin_s=30.0).text != ""


def test_every_number_of_the_file_is_used_but_those_that_say_how_to_run_it(folder, tiny):
    file = folder / "model.bin"
    held = sum(
        math.prod(tensor.shape)
        for tensor in tensors(file.read_bytes(), file)
        if tensor.shape and not tensor.name.endswith(("alignment_heads", "alignment_layer"))
    )
    keys = sum(layers * width for layers, width in _keys(tiny))
    assert held == sum(parameter.numel() for parameter in tiny.model.parameters()) + keys


def _keys(tiny):
    """Biases of keys, which are zeros in the file and nothing in Whisper: two attentions in the decoder, one in the encoder."""
    config = tiny.model.config
    return [(config.encoder_layers, config.d_model), (2 * config.decoder_layers, config.d_model)]


def test_what_is_saved_is_read_again(tmp_path, tiny, clips):
    again = checkpoint.load(str(tiny.save(tmp_path / "saved")))
    one, other = tiny.model.state_dict(), again.model.state_dict()
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert again.tokenizer.get_vocab() == tiny.tokenizer.get_vocab()
    assert again.multilingual is tiny.multilingual is False
    features = _features(clips[0])
    assert greedy(again, features, "en") == greedy(tiny, features, "en")


def _features(clip):
    from faster_whisper.feature_extractor import FeatureExtractor

    return FeatureExtractor()(plain(load(clip.audio))).astype(np.float32)


def test_a_name_that_is_nothing_says_what_can_be_named():
    with pytest.raises(ModelError, match="no folder and no model of the store"):
        checkpoint.load("whisper-bse")


def test_a_folder_without_a_tokenizer_is_told(tmp_path):
    with pytest.raises(ModelError, match=r"tokenizer\.json missing"):
        checkpoint.load(str(tmp_path))
