"""A word for a clip as a whole: one output, wherever the word stands and whatever it is batched with."""

import numpy as np
import pytest
import torch

from pipelines.nets.ctc import build, pad
from pipelines.nets.settings import NetSettings
from pipelines.nets.streaming import Stream
from pipelines.nets.whole import Whole


@pytest.fixture
def net():
    torch.manual_seed(0)
    return build(NetSettings(net="cnn", width=32, layers=1, kernel=3, stride=2, whole=8), 4).eval()


@torch.inference_mode()
def test_a_clip_has_one_output_the_same_alone_and_among_others(net):
    draw = np.random.default_rng(0)
    clips = [draw.normal(size=(frames, 40)).astype(np.float32) for frames in (50, 33, 1)]
    batch, lengths = pad(clips)
    batch = batch + 1e3 * (torch.arange(batch.shape[1]) >= lengths[:, None])[..., None]  # padding may hold anything
    together, outputs = net(batch, lengths)
    assert together.shape == (3, 1, 4)
    assert outputs.tolist() == [1, 1, 1] == [net.frames_out(len(clip)) for clip in clips]
    assert together.exp().sum(-1).allclose(torch.ones(3, 1))
    for clip, among in zip(clips, together, strict=True):
        assert torch.allclose(net(*pad([clip]))[0][0], among, atol=2e-5)


@torch.inference_mode()
def test_where_the_word_stands_says_nothing_and_which_word_says_all():
    torch.manual_seed(0)
    head = Whole(6, 5, 3).eval()
    head.detectors.kernel.bias.zero_()  # silence moves nothing
    mask = torch.ones(1, 40, dtype=torch.bool)

    def at(place: int, word: torch.Tensor) -> torch.Tensor:
        frames = torch.zeros(1, 40, 6)
        frames[0, place : place + 8] = word
        return head(frames, mask)

    word, other = torch.randn(2, 8, 6)
    assert torch.allclose(at(8, word), at(22, word), atol=1e-6)
    assert not torch.allclose(at(8, word), at(8, other), atol=1e-2)


@torch.inference_mode()
def test_numbers_count_alike_once_it_knows_their_moments():
    torch.manual_seed(0)
    head, mask = Whole(6, 5, 3).eval(), torch.ones(1, 10, dtype=torch.bool)
    frames = torch.randn(1, 10, 6)
    before = head(frames, mask)
    scale, shift = np.arange(1, 7, dtype=np.float32), np.arange(6, dtype=np.float32)
    head.normalise_by(shift, scale)
    assert torch.allclose(head(frames * torch.from_numpy(scale) + torch.from_numpy(shift), mask), before, atol=1e-5)


def test_it_cannot_listen_in_pieces(net):
    with pytest.raises(ValueError, match="whole utterance"):
        Stream(net)
