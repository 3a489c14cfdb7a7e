"""Every net learns from real recordings, is exported, and says the same when the server's adapter has loaded it."""

import numpy as np
import pytest
import torch

from pipelines.adapters import kinds
from pipelines.audio.features import Kind
from pipelines.nets.ctc import pad
from pipelines.nets.settings import Net
from training.ctc.data import Batches, Variations
from training.ctc.evaluate import ctc_loss
from training.ctc.exporting import export_net
from training.ctc.train import fit, prepare, run

NETS = Net.__args__
INPUTS = Kind.__args__


@pytest.mark.parametrize(
    ("input_", "net"), [("log_mel", net) for net in NETS] + [(i, "cnn") for i in INPUTS if i != "log_mel"]
)
def test_it_learns_is_exported_and_serves_the_same(data, recipe, tmp_path, input_, net):
    small = recipe(net={"net": net, "input": input_}, loop={"steps": 10, "evaluate_every": 10})
    prepared = prepare(small, data)
    done = fit(small, prepared, tmp_path / "run", quiet=True)
    first, last = done.outcome.losses[0][1], ctc_loss_of(done.net, small, prepared)
    assert last < first
    parts = {"train": prepared.train, "test": prepared.test}
    folder = export_net(done.net, small, parts, done.figures(), tmp_path / "small")
    served = kinds.load("stt", "ctc", folder, threads=1)
    for utterance in prepared.test[:3]:
        with torch.inference_mode():
            mine = done.net(*pad([done.net.settings.features(utterance.audio)]))[0][0].numpy()
        np.testing.assert_allclose(served.log_probs(utterance.audio), mine, atol=1e-5)
        heard = served.transcribe(utterance.audio, languages=["en"], final=True).text
        assert heard == done.test.texts[prepared.test.index(utterance)]


def ctc_loss_of(net, recipe, prepared):
    """Of the training clips, as the loop's first steps had it."""
    net.train()
    batches = Batches(prepared.train, Variations(prepared.train, recipe.augment, 0), net, 10, 0)
    with torch.no_grad():
        return ctc_loss(net, batches(0)[0]).item()


def test_a_word_can_be_learned_by_heart(data, recipe, tmp_path):
    """Enough steps on ten clips, and they are written without a mistake: loss, labels and decoding belong together."""
    small = recipe(
        net={"net": "gru", "width": 48},
        data={"validation": [], "test": ["fsdd-theo", "fsdd-jackson"]},
        loop={"steps": 250, "learning_rate": 0.02, "checkpoint_every": 0},
    )
    prepared = prepare(small, data)
    from training.ctc.evaluate import listen

    done = fit(small, prepared, tmp_path, quiet=True)
    heard = listen(done.net, prepared.train, small.letters())
    assert heard.wer < 0.1, heard.texts
    assert heard.cer < 0.1


def test_the_same_seed_is_the_same_net_also_after_a_kill(data, recipe, tmp_path):
    augmented = recipe(augment={"variations": 3, "throat": 0.1, "pace": 0.1, "silence": 0.05, "noise": 0.5, "masks": 1})
    prepared = prepare(augmented, data)
    whole = fit(augmented, prepared, tmp_path / "whole", quiet=True)

    class Killed(BaseException):
        pass

    def kill(step, measures):
        raise Killed

    with pytest.raises(Killed):
        fit(augmented, prepared, tmp_path / "cut", quiet=True, reported=kill)
    resumed = fit(augmented, prepare(augmented, data), tmp_path / "cut", quiet=True)
    assert resumed.figures() == whole.figures()
    for name, value in whole.net.state_dict().items():
        assert torch.equal(value, resumed.net.state_dict()[name]), name


def test_the_whole_way_says_what_it_does(data, recipe, tmp_path):
    said = []
    folder = run(recipe(), data, tmp_path, quiet=True, say=said.append)
    assert sorted(file.name for file in folder.iterdir()) == [
        "card.json",
        "config.json",
        "model.safetensors",
        "model.toml",
        "self_test.npz",
    ]
    assert said[0] == "train: 10 clips, 0.1 min, 1 speakers"
    assert said[-2].startswith("test: word error ")
    assert (tmp_path / "figures.json").exists()
