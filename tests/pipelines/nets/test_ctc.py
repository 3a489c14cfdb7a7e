import itertools
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import soundfile
import torch

from pipelines.audio.features import Features, Kind, Moments
from pipelines.audio.resample import resample
from pipelines.nets.alphabet import ENGLISH, Alphabet
from pipelines.nets.ctc import build, pad
from pipelines.nets.settings import Net, NetSettings

DIGITS = Path(__file__).parents[2] / "data" / "digits"
NETS, INPUTS = get_args(Net), get_args(Kind)


def audio(digit, speaker):
    [path] = DIGITS.glob(f"{digit}_{speaker}_*.flac")
    samples, rate = soundfile.read(path, dtype="int16")
    return resample(samples, rate, 16_000).astype(np.float32) / 32_768


@pytest.fixture(scope="module")
def clips():
    found = [audio(3, "george"), audio(8, "theo"), audio(0, "jackson"), audio(6, "theo")]
    return [*found, found[0][:300], found[1][:1_700]]  # less than one frame, and an odd number of frames


def net_of(net, kind="log_mel", **choices):
    torch.manual_seed(0)
    return build(NetSettings(net=net, input=kind, **choices), Alphabet(ENGLISH).size).eval()


@pytest.mark.parametrize(("net", "kind"), list(itertools.product(NETS, INPUTS)))
def test_an_item_is_the_same_alone_and_among_others(net, kind, clips):
    model = net_of(net, kind, stride=3, width=64)
    features = [model.settings.features(clip) for clip in clips]
    with torch.inference_mode():
        batch, lengths = pad(features)
        batch = batch + 1e3 * (torch.arange(batch.shape[1]) >= lengths[:, None])[..., None]  # padding may hold anything
        together, together_lengths = model(batch, lengths)
        for i, alone in enumerate(features):
            log_probs, [length] = model(*pad([alone]))
            assert length == together_lengths[i] == model.frames_out(len(alone)) == log_probs.shape[1]
            assert torch.allclose(together[i, :length], log_probs[0], atol=2e-5)


@pytest.mark.parametrize("net", NETS)
def test_every_number_is_taught(net, clips):
    model = net_of(net).train()
    features = [model.settings.features(clip) for clip in clips[:4]]
    log_probs, lengths = model(*pad(features))
    assert log_probs.exp().sum(-1).detach().allclose(torch.ones(log_probs.shape[:2]))
    targets = torch.tensor([Alphabet(ENGLISH).encode("one")] * 4)
    torch.nn.functional.ctc_loss(log_probs.transpose(0, 1), targets, lengths, torch.full((4,), 3)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


@pytest.mark.parametrize("net", NETS)
def test_what_a_net_waits_for_is_what_it_says(net, clips):
    model = net_of(net, kernel=5)
    features = torch.from_numpy(model.settings.features(clips[0]))[None].requires_grad_()
    log_probs, _ = model(features, torch.tensor([features.shape[1]]))
    middle = log_probs.shape[1] // 2
    log_probs[0, middle].square().sum().backward()
    heard = features.grad[0].abs().sum(1).nonzero()
    first, last = heard[0].item(), heard[-1].item()
    stride, future, past = model.settings.stride, model.body.future, model.body.past
    assert last == (features.shape[1] - 1 if future is None else (middle + future + 1) * stride - 1)
    assert first == (0 if past is None else (middle - past) * stride)
    assert model.causal == (net in ("mlp", "cnn", "lstm", "gru"))


@pytest.mark.parametrize("net", NETS)
def test_the_defaults_are_small(net):
    assert 50_000 < net_of(net).parameters_count < 1_000_000


@pytest.mark.parametrize("kind", INPUTS)
def test_a_net_learns_three_words_from_real_clips_in_seconds(kind):
    alphabet = Alphabet(ENGLISH)
    model = net_of("gru", kind, width=64, layers=1, dropout=0.0)
    spoken = {"one": audio(1, "theo"), "two": audio(2, "theo"), "nine": audio(9, "jackson")}
    features = [model.settings.features(clip) for clip in spoken.values()]
    moments = Moments(model.settings.features.size)
    for clip in features:
        moments.add(clip)
    model.normalise_by(moments.mean, moments.deviation)
    batch, lengths = pad(features)
    targets = [torch.tensor(alphabet.encode(word)) for word in spoken]
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-3)
    for _ in range(60):
        log_probs, out = model(batch, lengths)
        loss = torch.nn.functional.ctc_loss(
            log_probs.transpose(0, 1), torch.cat(targets), out, torch.tensor([len(t) for t in targets])
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.3


def test_normalisation_travels_with_the_weights(clips):
    model, other = net_of("mlp"), net_of("mlp")
    moments = Moments(model.settings.features.size)
    moments.add(model.settings.features(clips[0]))
    model.normalise_by(moments.mean, moments.deviation)
    other.load_state_dict(model.state_dict())
    assert torch.equal(other.mean, torch.from_numpy(moments.mean))
    assert torch.equal(other.deviation, torch.from_numpy(moments.deviation))


def test_a_raw_net_hears_with_filters_like_mel_bands_before_it_has_learned(clips):
    model = net_of("mlp", "raw")
    heard = model.waveform(torch.from_numpy(clips[0])[None, :, None])[0].detach().numpy()
    mel = Features("log_mel")(clips[0])[: len(heard)]
    mel = (mel - mel.mean(1, keepdims=True)) / mel.std(1, keepdims=True)
    assert np.corrcoef(heard.ravel(), mel.ravel())[0, 1] > 0.6
