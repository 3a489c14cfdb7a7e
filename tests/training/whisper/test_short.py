import numpy as np
import pytest
import torch
from torch import nn
from transformers import WhisperForConditionalGeneration
from transformers.models.whisper.modeling_whisper import WhisperEncoder

from training.whisper.short import take_any_context


@pytest.fixture
def features():
    return torch.from_numpy(np.random.default_rng(0).standard_normal((2, 80, 3_000), np.float32))


@torch.no_grad()
def test_the_full_context_is_the_published_encoder(tiny, features):
    published = WhisperEncoder.forward(tiny.model.model.encoder.eval(), features).last_hidden_state
    any_context = take_any_context(tiny.model).model.encoder(features).last_hidden_state
    assert torch.allclose(published, any_context, atol=1e-5)


@torch.no_grad()
def test_a_short_context_is_the_published_encoder_with_its_positions_cut(tiny, features):
    """The other way round: the model is cut, and its own code runs."""
    frames = 400
    encoder = tiny.model.model.encoder.eval()
    short = take_any_context(tiny.model).model.encoder(features[:, :, :frames]).last_hidden_state
    encoder.__class__ = WhisperEncoder
    encoder.embed_positions = nn.Embedding.from_pretrained(encoder.embed_positions.weight[: frames // 2].clone())
    encoder.config.max_source_positions = frames // 2
    published = encoder(features[:, :, :frames]).last_hidden_state
    assert short.shape == (2, frames // 2, tiny.model.config.d_model)
    assert torch.allclose(published, short, atol=1e-5)


def test_more_than_half_a_minute_is_refused(tiny, features):
    model = take_any_context(tiny.model)
    with pytest.raises(ValueError, match="3002 frames are more than"):
        model.model.encoder(torch.cat((features, features[:, :, :2]), dim=2))


def test_what_is_saved_is_a_plain_whisper(tmp_path, tiny):
    take_any_context(tiny.model).save_pretrained(tmp_path)
    loaded = WhisperForConditionalGeneration.from_pretrained(tmp_path)
    assert type(loaded.model.encoder) is WhisperEncoder
    assert loaded.config.architectures == ["WhisperForConditionalGeneration"]
