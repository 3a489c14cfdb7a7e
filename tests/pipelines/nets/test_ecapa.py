"""The speaker net: any length, one clip at a time or several, and settings that cannot be built."""

import pytest
import torch
from pydantic import ValidationError

from pipelines.nets.ecapa import Ecapa, EcapaSettings

SMALL = EcapaSettings(channels=16, size=16, pooled=16, attention=8)


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Ecapa(SMALL, 12).eval()


@pytest.mark.parametrize("length", [10, 57, 400])
def test_any_length_is_one_vector(net, length):
    with torch.no_grad():
        assert net(torch.randn(3, length, 12)).shape == (3, 16)


def test_a_clip_s_voice_does_not_depend_on_its_batch(net):
    clips = torch.randn(4, 80, 12)
    with torch.no_grad():
        together = net(clips)
        alone = torch.cat([net(clip[None]) for clip in clips])
    assert torch.allclose(together, alone, atol=1e-5)


def test_attention_finds_the_frames_that_count(net):
    """Weights sum to 1: a clip said twice is nearly the same voice (its edges differ)."""
    clip = torch.randn(1, 200, 12)
    with torch.no_grad():
        once, twice = net(clip), net(torch.cat((clip, clip), dim=1))
    assert torch.cosine_similarity(once, twice).item() > 0.99


def test_all_parameters_learn(net):
    net.train()
    net(torch.randn(4, 50, 12)).square().sum().backward()
    silent = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    # Softmax does not change when all its inputs are moved alike.
    assert set(silent) <= {"pool.weigh.bias"}


def test_the_size_said_in_its_notes():
    assert 0.5e6 < Ecapa(EcapaSettings(), 48).parameters_count < 0.7e6


def test_parts_must_divide_the_channels():
    with pytest.raises(ValidationError, match="channels = 30 must be a multiple of scale = 4"):
        EcapaSettings(channels=30)
