import numpy as np
import pytest

torch = pytest.importorskip("torch")

from pipelines.audio import lapped  # noqa: E402
from pipelines.nets.denoise_mask import MaskNet  # noqa: E402
from pipelines.nets.denoise_waveform import BLOCK, WaveformNet  # noqa: E402


def noise(size, seed=0):
    return torch.randn(1, size, generator=torch.Generator().manual_seed(seed)) * 0.1


def test_what_is_looked_with_and_written_with_adds_up_to_one():
    product = lapped.ANALYSIS[-2 * lapped.HOP :] * lapped.SYNTHESIS
    np.testing.assert_allclose(product[: lapped.HOP] + product[lapped.HOP :], 1, atol=1e-6)


def test_a_mask_that_keeps_all_changes_nothing_but_the_time():
    net = MaskNet(16, 1)
    torch.nn.init.constant_(net.out.bias, 50.0)
    audio = noise(3_200)
    with torch.no_grad():
        heard = net(audio)
    np.testing.assert_allclose(heard[:, net.delay :], audio[:, : -net.delay], atol=1e-5)


@pytest.mark.parametrize(("net", "block"), [(MaskNet(16, 1), 160), (WaveformNet(8, 1), BLOCK)])
def test_nothing_is_heard_before_it_was_said(net, block):
    """20 ms in all: a block, and the delay."""
    audio, place = noise(20 * block * 4), 10 * block * 4
    other = audio.clone()
    other[:, place:] = noise(audio.shape[-1], 1)[:, place:]
    with torch.no_grad():
        apart = (net(audio) - net(other)).abs()[0]
    assert float(apart[:place].max()) == 0
    assert float(apart[place : place + net.delay + block].max()) > 0
    assert net.delay + block == 320


def test_a_stream_of_blocks_is_the_same_as_the_whole():
    net = WaveformNet(8, 2).eval()
    audio = noise(12 * BLOCK)
    state, out = net.initial_state(), []
    with torch.no_grad():
        for piece in audio.split(3 * BLOCK, -1):
            clean, state = net.stream(piece, state)
            out.append(clean)
        np.testing.assert_allclose(torch.cat(out, -1), net(audio), atol=1e-6)


@pytest.mark.parametrize("net", [MaskNet(), WaveformNet()])
def test_they_are_small(net):
    assert sum(each.numel() for each in net.parameters()) <= 2_000_000
