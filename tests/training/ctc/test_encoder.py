"""A net that hears through Whisper's own encoder."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from pipelines.adapters import kinds
from pipelines.errors import ModelError
from pipelines.models import exported
from pipelines.nets.ctc import build, pad
from tests.helpers.hearing import weights
from training.ctc.exporting import export_net
from training.ctc.train import fit, prepare

WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
HEARD = {
    "net": {"input": "states", "net": "none", "stride": 1, "whole": 24},
    "data": {"alphabet": WORDS, "validation": []},
    "loop": {"steps": 30, "learning_rate": 0.01, "checkpoint_every": 0},
    "encoder": "whisper-base",
    "one": True,
}


@pytest.fixture
def encoder():
    return weights("whisper-base", "config.json", "model.bin", "tokenizer.json", "vocabulary.txt")


def test_two_speakers_are_enough_to_know_the_words_of_a_third(data, recipe, tmp_path, encoder):
    heard = recipe(**HEARD)
    prepared = prepare(heard, data)
    done = fit(heard, prepared, tmp_path / "run", quiet=True)
    assert done.test.wer <= 0.2, done.test.texts  # one of ten is guessed right
    folder = exported_folder(done, heard, prepared, tmp_path)
    card = exported.read_manifest(folder)
    assert card.encoder == "whisper-base"
    with pytest.raises(ModelError, match="names none"):
        kinds.load("stt", "ctc", folder)
    served = kinds.load_added(card, folder, encoder=encoder)
    for utterance in prepared.test[:3]:
        np.testing.assert_allclose(served.log_probs(utterance.audio), said_by(done.net, utterance), atol=1e-3)
        said = served.transcribe(utterance.audio, languages=["en"], final=True).text
        assert said == done.test.texts[prepared.test.index(utterance)]


def test_a_net_that_writes_what_it_hears_through_an_encoder_is_served_as_it_was_trained(
    data, recipe, tmp_path, encoder
):
    heard = recipe(
        encoder="whisper-base",
        net={"input": "states", "net": "cnn", "stride": 2, "width": 16, "layers": 1},
        data={"alphabet": "efghinorstuvwxz", "validation": []},
        loop={"steps": 3, "checkpoint_every": 0},
    )
    prepared = prepare(heard, data)
    done = fit(heard, prepared, tmp_path / "run", quiet=True)
    assert not done.net.causal  # the encoder looks at the whole clip
    folder = exported_folder(done, heard, prepared, tmp_path)
    served = kinds.load_added(exported.read_manifest(folder), folder, encoder=encoder)
    for utterance in prepared.test[:2]:
        np.testing.assert_allclose(served.log_probs(utterance.audio), said_by(done.net, utterance), atol=1e-3)


def exported_folder(done, heard, prepared, out):
    parts = {"train": prepared.train, "test": prepared.test}
    return export_net(done.net, heard, parts, done.figures(), out / "heard")


def said_by(net, utterance):
    with torch.inference_mode():
        return net(*pad([net.features(utterance.audio)]))[0][0].numpy()


def test_a_net_without_its_encoder_says_what_it_misses(recipe):
    net = build(recipe(**HEARD).net, 11)
    assert net.features.frames(16_000) == 50
    with pytest.raises(AssertionError, match="hear_through"):
        net.features(np.zeros(16_000, np.float32))


@pytest.mark.parametrize("change", [{"encoder": ""}, {"net": {"input": "log_mel", "net": "cnn", "whole": 24}}])
def test_an_encoder_and_its_states_go_together(recipe, change):
    with pytest.raises(ValidationError, match="go together"):
        recipe(**(HEARD | change))
