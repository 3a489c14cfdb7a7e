"""The loop learns, goes on after a kill with the same bits, and does not train on what is no number."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn

from training.common.errors import DataError, RecipeError
from training.common.loop import LoopSettings, rate_factor, train

SETTINGS = LoopSettings(steps=40, learning_rate=0.05, evaluate_every=10, checkpoint_every=5, log_every=4, seed=3)


def net():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 1))


def batches(epoch):
    """Seven batches an epoch, so that a checkpoint after 5 or 10 steps lies within one."""
    made = []
    for place in range(7):
        drawn = torch.Generator().manual_seed(1_000 * epoch + place)
        made.append(torch.randn(8, 4, generator=drawn))
    return made


def loss(model, batch):
    return (model(batch).squeeze(1) - batch.sum(1)).square().mean()


def evaluate(model):
    torch.rand(3)  # an evaluation that draws must not change the training
    clip = torch.randn(200, 4, generator=torch.Generator().manual_seed(9))
    return {"loss": loss(model, clip).item()}


def run(out, model=None, settings=SETTINGS, **more):
    model = model or net()
    more = {"loss": loss, "batches": batches, "evaluate": evaluate, "quiet": True} | more
    return model, train(model, settings=settings, out=out, **more)


class Killed(BaseException):
    pass


def test_it_learns_and_says_so(tmp_path):
    before = evaluate(net().eval())["loss"]
    model, outcome = run(tmp_path)
    assert outcome.best < before / 4
    assert outcome.best == pytest.approx(evaluate(model.eval())["loss"])  # the best weights are in the model
    assert [step for step, _ in outcome.measures] == [10, 20, 30, 40]
    assert [step for step, _ in outcome.losses] == list(range(4, 41, 4))
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [point.step for point in events.Scalars("validation/loss")] == [10, 20, 30, 40]


@pytest.mark.parametrize("killed_at", [6, 13, 24, 33])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_a_killed_run_ends_with_the_same_bits(tmp_path, killed_at, accumulate):
    settings = SETTINGS.model_copy(update={"accumulate": accumulate})
    whole, expected = run(tmp_path / "whole", settings=settings)
    called = 0

    def deadly(model, batch):
        nonlocal called
        called += 1
        if called > killed_at * accumulate:
            raise Killed
        return loss(model, batch)

    with pytest.raises(Killed):
        run(tmp_path / "cut", settings=settings, loss=deadly)
    torch.manual_seed(77)  # what the new process drew before must not matter
    other = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Dropout(0.2), nn.Linear(16, 1))
    resumed, outcome = run(tmp_path / "cut", other, settings=settings)
    assert outcome == expected
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_a_finished_run_is_not_run_again(tmp_path):
    _, outcome = run(tmp_path)

    def never(model, batch):
        raise Killed

    again, same = run(tmp_path, loss=never)
    assert same == outcome
    assert evaluate(again.eval())["loss"] == pytest.approx(outcome.best)


def test_a_checkpoint_of_another_recipe_is_refused_unless_fresh(tmp_path):
    run(tmp_path)
    faster = SETTINGS.model_copy(update={"learning_rate": 0.5})
    with pytest.raises(RecipeError, match=r"loop.learning_rate was 0.05, is 0.5.*--fresh"):
        run(tmp_path, settings=faster)
    run(tmp_path, settings=faster, fresh=True)


def test_steps_without_a_finite_loss_are_left_out_and_counted(tmp_path):
    seen = []

    def sometimes(model, batch):
        seen.append(1)
        return loss(model, batch) * (math.nan if len(seen) in (5, 6, 20) else 1.0)

    model, outcome = run(tmp_path, loss=sometimes)
    assert outcome.skipped == 3
    assert outcome.steps == 40
    assert all(torch.isfinite(value).all() for value in model.parameters())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_three_in_a_row_stop(tmp_path, bad):
    def broken(model, batch):
        return loss(model, batch) * bad

    with pytest.raises(DataError, match=r"step 3: the loss was not a finite number in 3 steps in a row") as error:
        run(tmp_path, loss=broken)
    assert "\n" not in str(error.value)


def test_a_gradient_that_is_no_number_is_not_taken(tmp_path):
    """sqrt has an infinite slope at 0, while its value there is a number."""

    def steep(model, batch):
        return (model(batch) * 0).abs().sqrt().sum()

    with pytest.raises(DataError, match="3 steps in a row"):
        run(tmp_path, loss=steep)


def test_it_stops_early_when_nothing_is_gained(tmp_path):
    falls_then_rises = iter([3.0, 2.0, 2.5, 2.5, 2.5])
    patient = SETTINGS.model_copy(update={"steps": 60, "patience": 2})
    _, outcome = run(tmp_path, settings=patient, evaluate=lambda _: {"loss": next(falls_then_rises)})
    assert outcome.stopped_early
    assert (outcome.best, outcome.best_step, outcome.steps) == (2.0, 20, 40)


def test_what_hears_the_measures_can_end_the_run(tmp_path):
    def prune(step, measures):
        if step == 20:
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path, reported=prune)


def test_the_learning_rate_rises_then_falls():
    cosine = LoopSettings(steps=100, warm_up=0.1, floor=0.01)
    rates = [rate_factor(cosine, step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[-1] == pytest.approx(0.01, abs=0.001)
    plateau = LoopSettings(steps=100, warm_up=0, schedule="plateau")
    assert rate_factor(plateau, 50, cuts=2) == 0.25


SEVERAL = """
import os, sys, torch
from pathlib import Path
from training.common.loop import LoopSettings, train
torch.manual_seed(1)
model = torch.nn.Linear(4, 1)
batches = lambda epoch: [torch.randn(8, 4, generator=torch.Generator().manual_seed(100 * epoch + i)) for i in range(6)]
loss = lambda model, batch: (model(batch).squeeze(1) - batch.sum(1)).square().mean()
settings = LoopSettings(steps=9, accumulate=int(sys.argv[2]), tensorboard=False, checkpoint_every=3, evaluate_every=3)
outcome = train(model, loss=loss, batches=batches, evaluate=lambda m: {"loss": loss(m, batches(0)[0]).item()},
                settings=settings, out=Path(sys.argv[1]), quiet=True)
found = [round(x, 4) for x in model.weight.flatten().tolist()] + [round(outcome.best, 4)]
Path(f"{sys.argv[1]}-{os.environ.get('RANK', 0)}.txt").write_text(str(found))  # processes that print at once mix their lines
"""


@pytest.mark.timeout(120)
def test_two_processes_with_a_batch_each_are_one_with_two(tmp_path):
    script = tmp_path / "several.py"
    script.write_text(SEVERAL)
    environment = os.environ | {
        "ACCELERATE_USE_CPU": "1",
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "OMP_NUM_THREADS": "1",
    }
    two = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc_per_node=2",
        str(script),
        str(tmp_path / "2"),
        "1",
    ]
    one = [sys.executable, str(script), str(tmp_path / "1"), "2"]
    for command in (two, one):
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr[-2_000:]
    found = [(tmp_path / name).read_text() for name in ("2-0.txt", "2-1.txt", "1-0.txt")]
    assert found[0] == found[1]  # both have the same net in the end
    assert found[0] == found[2]
