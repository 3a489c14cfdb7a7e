"""A net learns to hear from a teacher, here one that says log-mel bands, and a recipe goes on from there to words."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from safetensors.torch import load_file

from pipelines.adapters import kinds
from pipelines.audio.features import Features
from training.common.errors import RecipeError
from training.ctc import teacher
from training.ctc.pretrain import Pretraining, between, pretrain
from training.ctc.train import fit, prepare, run

NET = {"net": "cnn", "layers": 1, "width": 16, "kernel": 3, "stride": 2, "heads": 2}
BANDS = Features("log_mel", 8)


def bands(_: str, layer: int) -> teacher.Teacher:
    """A teacher that hears 8 bands, 20 ms apart."""

    def ask(samples):
        padded = np.pad(samples, (200, 520))  # so that frame i is around sample 320 i
        return BANDS(padded)[::2][: -(-len(samples) // teacher.HOP)]

    return ask


@pytest.fixture
def lessons() -> Pretraining:
    return Pretraining.model_validate(
        {
            "data": {"manifests": ["digits/manifest.jsonl"], "min_s": 0.1, "batch": 6},
            "size": 6,
            "net": NET,
            "augment": {"variations": 2, "throat": 0.1, "pace": 0.2, "noise": 0.5, "phone": 0.5, "masks": 1},
            "loop": {"steps": 30, "learning_rate": 0.01, "checkpoint_every": 10, "tensorboard": False},
        }
    )


def silent(_: str) -> None:
    pass


def test_it_comes_nearer_to_the_teacher_and_asks_it_once(data, lessons, tmp_path):
    said = []
    start = pretrain(lessons, data, tmp_path, asked=bands, quiet=True, say=said.append)
    first, last = (float(x) for x in said[-1].split("loss ")[1].split(" to "))
    assert last < 0.8 * first
    kept = (start / "start.safetensors").read_bytes()

    def nobody(name, layer):
        raise AssertionError("asked again")

    assert pretrain(lessons, data, tmp_path, asked=nobody, fresh=True, quiet=True, say=silent) == start
    assert (start / "start.safetensors").read_bytes() == kept  # the same seed, the same bits


def test_a_run_that_was_cut_ends_with_the_same_bits(data, lessons, tmp_path):
    whole = pretrain(lessons, data, tmp_path / "whole", asked=bands, quiet=True, say=silent)

    def cut(name, layer):
        ask, left = bands(name, layer), iter(range(12))

        def until(samples):
            next(left)  # StopIteration at the 13th
            return ask(samples)

        return until

    with pytest.raises(StopIteration):
        pretrain(lessons, data, tmp_path / "cut", asked=cut, quiet=True, say=silent)
    assert len([*(tmp_path / "cut" / "teacher-4").glob("*.npy")]) == 12
    again = pretrain(lessons, data, tmp_path / "cut", asked=bands, quiet=True, say=silent)
    assert (again / "start.safetensors").read_bytes() == (whole / "start.safetensors").read_bytes()


def test_a_recipe_goes_on_from_it_and_the_result_is_served(data, lessons, recipe, tmp_path):
    start = pretrain(lessons, data, tmp_path / "hearing", asked=bands, quiet=True, say=silent)
    small = recipe(net=NET, start=str(start), loop={"learning_rate": 1e-9})  # moves nothing that can be seen
    net = fit(small, prepare(small, data), tmp_path / "run", quiet=True).net
    new = fit(recipe(net=NET), prepare(small, data), tmp_path / "new", quiet=True).net
    taught = load_file(start / "start.safetensors")
    assert taught
    assert not [name for name in taught if name.startswith("head")]
    mine, other = net.state_dict(), new.state_dict()
    assert set(taught) == {name for name in mine if not name.startswith("head.")}
    for name, value in taught.items():
        torch.testing.assert_close(mine[name], value, atol=1e-6, rtol=0)
    assert not torch.allclose(other["join.0.weight"], mine["join.0.weight"], atol=1e-3)
    folder = run(small, data, tmp_path / "out", quiet=True, say=silent)
    served = kinds.load("stt", "ctc", folder, threads=1)
    assert served.transcribe(np.zeros(16_000, np.float32), languages=["en"], final=True) is not None


def test_what_does_not_fit_is_said(data, lessons, recipe, tmp_path):
    start = pretrain(lessons, data, tmp_path / "hearing", asked=bands, quiet=True, say=silent)
    wider = recipe(net=NET | {"width": 32, "layers": 2}, start=str(start))
    with pytest.raises(RecipeError, match=r"another build. Set \[net\] width = 16"):
        fit(wider, prepare(wider, data), tmp_path / "run", quiet=True)
    nowhere = recipe(net=NET, start=str(tmp_path / "nowhere"))
    with pytest.raises(RecipeError, match="allo train pretrain"):
        fit(nowhere, prepare(nowhere, data), tmp_path / "run", quiet=True)


def test_states_between_two_lie_on_a_line():
    states = np.array([[0.0], [10.0], [30.0]], np.float16)
    np.testing.assert_allclose(between(states, np.array([-1.0, 0.5, 1.0, 1.75, 9.0])), [[0], [5], [10], [25], [30]])
    np.testing.assert_allclose(between(states[:1], np.array([0.0, 3.0])), [[0], [0]])


@pytest.mark.parametrize("whole", [0, 8])
def test_words_over_ears_that_are_held(data, lessons, recipe, tmp_path, whole):
    """What was taught stays to the bit, a layer more and the one that writes learn, and the server hears words: frame by frame, or of the clip as a whole."""
    start = pretrain(lessons, data, tmp_path / "hearing", asked=bands, quiet=True, say=silent)
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    small = recipe(
        net=NET | {"layers": 2, "whole": whole},
        data={"alphabet": words},
        start=str(start),
        held=True,
        one=True,
        loop={"steps": 20, "evaluate_every": 20},
    )
    done = fit(small, prepare(small, data), tmp_path / "run", quiet=True)
    now, taught = done.net.state_dict(), load_file(start / "start.safetensors")
    assert all(torch.equal(now[name], value) for name, value in taught.items())
    assert {name.split(".")[0] for name in set(now) - set(taught)} == {"head", "body"}
    assert done.outcome.losses[-1][1] < done.outcome.losses[0][1]
    assert all(error.total == 1 for error in done.test.searched)  # one of the ten is chosen for each clip
    folder = run(small, data, tmp_path / "out", quiet=True, say=silent)
    served = kinds.load("stt", "ctc", folder, threads=1)
    heard = {served.transcribe(u.audio, languages=["en"], final=True).text for u in prepare(small, data).train}
    assert heard <= set(words)
    if whole:
        assert done.net.head.deviation.ne(1).any()  # of the frames that it is taught with
        assert served.log_probs(np.zeros(16_000, np.float32)).shape == (1, 11)
    with pytest.raises(ValidationError, match="an alphabet of words has none"):
        recipe(words=True, data={"alphabet": words})
    with pytest.raises(ValidationError, match="set one = true"):
        recipe(net=NET | {"whole": 8})
