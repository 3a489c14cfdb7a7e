from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
import torch

from pipelines.nets.alphabet import FRENCH, Alphabet, UnknownCharacter
from pipelines.nets.ctc import build
from pipelines.nets.saved import CtcConfig, load, save
from pipelines.nets.settings import NetSettings
from training.common.errors import DataError
from training.ctc.align import align, frames_of, heard, in_words
from training.ctc.alignment import forced

DIGITS = Path(__file__).parents[2] / "data" / "digits"
[CLIP] = DIGITS.glob("3_george_*.flac")


@pytest.fixture(params=["log_mel", "raw"])
def model(tmp_path, request):
    torch.manual_seed(0)
    settings = NetSettings(net="gru", input=request.param, width=32, layers=1)
    net = build(settings, Alphabet(FRENCH).size)
    save(tmp_path / "net", net, CtcConfig(languages=("fr", "en"), characters=FRENCH, net=settings))
    return tmp_path / "net"


def test_any_net_and_clip_become_a_picture_and_words(model, tmp_path):
    words = align(CLIP, model, tmp_path / "new" / "three.png", text="Three!")
    image = matplotlib.image.imread(tmp_path / "new" / "three.png")
    assert image.shape[0] > 500
    assert image.shape[1] > 1_000
    assert image[..., :3].std() > 0.05  # something is drawn on it
    assert '"three": 5 characters, which need 6 frames' in words
    assert words.count("\n    e    ") == 2


def test_without_a_text_it_is_what_the_net_understands(model, tmp_path):
    assert "the same." in align(CLIP, model, tmp_path / "it.svg")
    assert "<svg" in (tmp_path / "it.svg").read_text()


def test_what_cannot_be_aligned_is_said(model, tmp_path):
    with pytest.raises(DataError, match="too few for this text"):
        align(CLIP, model, tmp_path / "it.png", text="three " * 20)
    with pytest.raises(UnknownCharacter, match="'3'"):
        align(CLIP, model, tmp_path / "it.png", text="3")
    with pytest.raises(DataError, match="no such file"):
        align(DIGITS / "none.flac", model, tmp_path / "it.png")
    assert not (tmp_path / "it.png").exists()


def test_the_words_tell_the_path(model):
    alphabet = Alphabet(FRENCH)
    log_probs = np.full((7, alphabet.size), np.log(0.1 / (alphabet.size - 1)), np.float32)
    log_probs[range(7), [0, *alphabet.encode("éé"), 0, *alphabet.encode("ét"), 0]] = np.log(0.9)
    net, _ = load(model)
    told = in_words(forced(log_probs, alphabet.encode("éét")), log_probs, alphabet, "éét", "éét", frames_of(net))
    assert "Best path   ·éé·ét·" in told
    assert "there are 7 of 20 ms" in told
    assert "This path has probability 48 %" in told  # 0.9 ** 7
    assert "   0.03   0.07        2          0.90" in told


def test_a_frame_lies_where_its_sound_is(model):
    """A frame that hears a click, and so the middle of what it hears, is at the click."""
    net, _ = load(model)
    silence = np.zeros(16_000, np.float32)
    click = silence.copy()
    click[8_000:8_020] = 0.5
    changed = np.abs(heard(net, click) - heard(net, silence)).max(axis=1)
    first = int(np.flatnonzero(changed > 1e-6)[0])  # the window of a causal net that ends after the click
    frames = frames_of(net)
    assert 0 <= 0.5 - frames.time(first) < 2 * frames.step
