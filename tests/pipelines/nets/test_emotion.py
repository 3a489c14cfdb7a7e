import pytest

torch = pytest.importorskip("torch")

from pipelines.nets.emotion import EmotionNet, EmotionNetSettings  # noqa: E402


@pytest.mark.parametrize("body", ["cnn", "cnn_gru"])
def test_an_answer_does_not_depend_on_the_batch(body):
    torch.manual_seed(0)
    net = EmotionNet(EmotionNetSettings(size=6, classes=3, body=body, width=16)).eval()
    frames, lengths = torch.randn(3, 40, 6), torch.tensor([40, 23, 12])
    for i, length in enumerate(lengths):
        frames[i, length:] = 1e3  # garbage where there is padding
    together = net(frames, lengths)
    for i, length in enumerate(lengths):
        alone = net(frames[i : i + 1, : length // 2 * 2])
        assert torch.allclose(together[i], alone[0], atol=1e-4)
