import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from pipelines.adapters.stt.ctc import Ctc
from pipelines.audio.features import Moments
from pipelines.audio.resample import resample
from pipelines.errors import ModelError
from pipelines.nets.alphabet import FRENCH, Alphabet
from pipelines.nets.ctc import build, pad
from pipelines.nets.saved import CtcConfig, save
from pipelines.nets.settings import NetSettings

DIGITS = Path(__file__).parents[3] / "data" / "digits"
WORDS = {"1_theo": "one", "2_theo": "two", "9_jackson": "nine"}
# A language of one word.
ARPA = (
    "\\data\\\nngram 1=4\nngram 2=1\n\n\\1-grams:\n-9\t<unk>\n-99\t<s>\t0\n-1\t</s>\n-1\tnine\t0\n\n"
    "\\2-grams:\n-0.5\t<s> nine\n\n\\end\\\n"
)


def audio(name):
    [path] = DIGITS.glob(f"{name}_*.flac")
    samples, rate = soundfile.read(path, dtype="int16")
    return resample(samples, rate, 16_000).astype(np.float32) / 32_768


@pytest.fixture(scope="module")
def trained():
    """Learns three clips by heart."""
    torch.manual_seed(0)
    alphabet = Alphabet(FRENCH)
    net = build(NetSettings(net="gru", width=64, layers=1, dropout=0.0), alphabet.size)
    features = [net.settings.features(audio(name)) for name in WORDS]
    moments = Moments(net.settings.features.size)
    for clip in features:
        moments.add(clip)
    net.normalise_by(moments.mean, moments.deviation)
    batch, lengths = pad(features)
    labels = [torch.tensor(alphabet.encode(word)) for word in WORDS.values()]
    optimizer = torch.optim.AdamW(net.parameters(), lr=4e-3)
    for _ in range(90):
        log_probs, out = net(batch, lengths)
        sizes = torch.tensor([len(label) for label in labels])
        loss = torch.nn.functional.ctc_loss(log_probs.transpose(0, 1), torch.cat(labels), out, sizes)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return net.eval()


@pytest.fixture
def config(trained):
    return CtcConfig(languages=("fr", "en"), characters=FRENCH, net=trained.settings)


@pytest.fixture
def folder(tmp_path, trained, config):
    save(tmp_path, trained, config)
    return tmp_path


def test_a_saved_net_says_what_it_learned(folder, trained):
    recogniser = Ctc(folder, threads=1)
    for name, word in WORDS.items():
        for final in (True, False):
            assert recogniser.transcribe(audio(name), languages=["en"], final=final).text == word
        with torch.inference_mode():
            before = trained(*pad([trained.settings.features(audio(name))]))[0][0].numpy()
        assert np.array_equal(recogniser.log_probs(audio(name)), before)


def test_the_language_is_one_that_it_knows(folder):
    recogniser = Ctc(folder, threads=1)
    said = recogniser.transcribe(audio("1_theo"), languages=["de", "en", "fr"], final=True)
    assert (said.language, said.p_language) == ("en", 0.5)
    assert recogniser.transcribe(np.zeros(100, np.float32), languages=["fr"], final=True).text == ""
    with pytest.raises(ModelError, match=r"trained on fr, en, not on de\."):
        recogniser.transcribe(audio("1_theo"), languages=["de"], final=True)


def test_more_than_half_a_minute_is_refused(folder):
    with pytest.raises(ModelError, match=r"at most 30 s at once, not 31\.0 s"):
        Ctc(folder, threads=1).transcribe(np.zeros(31 * 16_000, np.float32), languages=["en"], final=True)


@pytest.mark.skipif(sys.version_info >= (3, 13), reason="flashlight-text has no wheel for it")
def test_finals_ask_the_language_model_partials_do_not(folder, trained, config):
    (folder / "words.arpa").write_text(ARPA)
    save(folder, trained, config.model_copy(update={"language_model": "words.arpa"}))
    recogniser = Ctc(folder, threads=1)
    said = {final: recogniser.transcribe(audio("1_theo"), languages=["en"], final=final).text for final in (0, 1)}
    assert said == {0: "one", 1: "nine"}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"characters": "abc"}, r"model\.safetensors does not hold the network"),
        ({"characters": "aa"}, "each character once"),
        ({"epochs": 3}, "epochs: Extra inputs"),
        ({"language_model": "../words.arpa"}, "in the same folder"),
        ({"languages": []}, "languages"),
    ],
)
def test_a_configuration_that_does_not_fit_is_named(folder, change, problem):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ModelError, match=problem):
        Ctc(folder, threads=1)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_or_broken_file_is_named(folder, name):
    (folder / name).write_bytes(b"{}")
    with pytest.raises(ModelError, match=name.replace(".", r"\.")):
        Ctc(folder, threads=1)
    (folder / name).unlink()
    with pytest.raises(ModelError, match="allo train"):
        Ctc(folder, threads=1)
