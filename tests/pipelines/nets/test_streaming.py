from itertools import product
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from pipelines.nets.ctc import build, pad
from pipelines.nets.settings import NetSettings
from pipelines.nets.streaming import Stream, keep_up

FRENCH = Path(__file__).parents[2] / "data" / "hearing" / "fr_sentence.flac"


@pytest.fixture(scope="module")
def speech():
    return soundfile.read(FRENCH, dtype="float32")[0]


def net_of(net, kind="log_mel", **choices):
    torch.manual_seed(0)
    return build(NetSettings(net=net, input=kind, width=32, **choices), 30).eval()


@pytest.mark.parametrize(
    ("net", "kind", "stride"), list(product(["mlp", "cnn", "lstm", "gru"], ["log_mel", "mfcc", "raw"], [2, 3]))
)
def test_pieces_give_what_the_whole_gives(net, kind, stride, speech):
    model = net_of(net, kind, stride=stride, kernel=5)
    random = np.random.default_rng(0)
    for samples in (16_000, 12_345, 700, 100):
        audio = speech[4_000 : 4_000 + samples]
        with torch.inference_mode():
            whole = model(*pad([model.settings.features(audio)]))[0][0].numpy()
        stream = Stream(model)
        cuts = np.sort(random.integers(0, samples, 40))
        parts = [stream.push(part) for part in np.split(audio, cuts)]
        parts.append(stream.finish())
        assert np.allclose(np.concatenate(parts), whole, atol=2e-5)
        assert samples < 16_000 or sum(len(part) for part in parts[:20]) > 10  # and gives it on the way


@pytest.mark.parametrize("net", ["bilstm", "cnn_bilstm", "transformer", "conformer"])
def test_who_needs_the_whole_utterance_says_so(net):
    with pytest.raises(ValueError, match=f"a {net} looks at the whole"):
        Stream(net_of(net))


def test_loudness_is_known_at_the_end():
    with pytest.raises(ValueError, match="a gru, levelled, looks"):
        Stream(net_of("gru", levelled=True))


@pytest.mark.parametrize(("net", "waits"), [("gru", 0.0), ("mlp", 0.08), ("cnn", 0.16), ("conformer", None)])
def test_the_pace_says_what_a_net_waits_for(net, waits, speech):
    pace = keep_up(net_of(net), speech[:8_000])
    assert pace.waits == waits
    assert pace.causal == (waits is not None)
    assert 0 < pace.slowest <= pace.real_time_factor * 0.5
