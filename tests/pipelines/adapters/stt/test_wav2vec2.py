"""The adapter of wav2vec 2.0 and HuBERT, on the real networks made small, with random weights: what it writes is noise, and
must be the noise that transformers writes."""

import numpy as np
import pytest

from pipelines.errors import ModelError
from tests.helpers.exported import tiny_wav2vec2, where_from
from tests.helpers.hearing import CLIPS, utterance

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module", params=["wav2vec2", "hubert"])
def checkpoint(request, tmp_path_factory):
    return tiny_wav2vec2(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def model(checkpoint):
    from pipelines.adapters.stt.wav2vec2 import Wav2Vec2

    return Wav2Vec2(checkpoint, threads=1)


def test_it_hears_what_transformers_hears(checkpoint, model):
    audio = utterance(CLIPS / "fr_sentence.flac")
    processor = transformers.AutoProcessor.from_pretrained(checkpoint)
    net = transformers.AutoModelForCTC.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        logits = net(**processor(audio, sampling_rate=16_000, return_tensors="pt")).logits
    expected = torch.log_softmax(logits[0], -1).numpy()
    logits[..., processor.tokenizer.unk_token_id] = -torch.inf  # which is never written
    [text] = processor.batch_decode(logits.argmax(-1))
    assert len(text) > 10
    heard = model.transcribe(audio, languages=["fr"], final=True)
    assert (heard.text, heard.language, heard.p_language) == (text.strip(), "fr", 1.0)
    assert np.allclose(model.log_probs(audio), expected, atol=1e-5)


def test_a_frame_is_20_ms_and_sums_to_one(model):
    scores = model.log_probs(np.zeros(16_000, np.float32))
    assert scores.shape[0] == 49
    assert np.allclose(np.exp(scores).sum(axis=-1), 1, atol=1e-5)


def test_what_is_too_short_says_nothing_and_what_is_too_long_is_refused(model):
    assert model.transcribe(np.zeros(399, np.float32), languages=["en"], final=True).text == ""
    assert model.log_probs(np.zeros(400, np.float32)).shape[0] == 1
    with pytest.raises(ModelError, match=r"0\.025 to 30 s"):
        model.log_probs(np.zeros(399, np.float32))
    with pytest.raises(ModelError, match=r"not 30\.000 s|not 30\.001"):
        model.transcribe(np.zeros(30 * 16_000 + 16, np.float32), languages=["en"], final=True)


def test_it_answers_in_a_language_it_was_trained_on(checkpoint, tmp_path):
    from pipelines.adapters.stt.wav2vec2 import FILES, Wav2Vec2
    from pipelines.models.self_test import record
    from training.common.export import export

    audio = utterance(CLIPS / "digit_7.flac")
    folder = export(
        tmp_path / "tiny",
        name="tiny",
        port="stt",
        kind="wav2vec2",
        licence="CC0-1.0",
        note="",
        weights={name: checkpoint / name for name in FILES},
        provenance=where_from(("fr",)),
        self_test=record(Wav2Vec2(checkpoint, threads=1), audio, "fr"),
    )
    french = Wav2Vec2(folder, threads=1)
    heard = french.transcribe(audio, languages=["en", "fr"], final=True)
    assert (heard.language, heard.p_language) == ("fr", 1.0)
    with pytest.raises(ModelError, match="trained on fr, and not on en"):
        french.transcribe(audio, languages=["en"], final=True)


def test_of_several_languages_it_is_not_sure(model):
    heard = model.transcribe(np.zeros(8_000, np.float32), languages=["en", "fr"], final=True)
    assert (heard.language, heard.p_language) == ("en", 0.5)


@pytest.mark.parametrize("file", ["config.json", "model.safetensors", "vocab.json"])
def test_a_broken_folder_is_named(checkpoint, tmp_path, file):
    from pipelines.adapters.stt.wav2vec2 import FILES, Wav2Vec2

    for name in FILES:
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    (tmp_path / file).write_bytes(b"{")
    with pytest.raises(ModelError, match=str(tmp_path)):
        Wav2Vec2(tmp_path, threads=1)
    (tmp_path / file).unlink()
    with pytest.raises(ModelError, match=f"{file} missing in {tmp_path}"):
        Wav2Vec2(tmp_path, threads=1)


def test_weights_that_are_not_in_the_file_are_not_made_up(checkpoint, tmp_path):
    from safetensors.torch import load_file, save_file

    from pipelines.adapters.stt.wav2vec2 import FILES, Wav2Vec2

    for name in FILES:
        (tmp_path / name).write_bytes((checkpoint / name).read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    del weights["lm_head.bias"]
    save_file(weights, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lm_head\.bias not in model\.safetensors"):
        Wav2Vec2(tmp_path, threads=1)
