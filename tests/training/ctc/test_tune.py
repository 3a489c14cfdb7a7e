"""A study draws from one space whatever the sampler, outlives a kill, and its best recipe makes its figures again."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import optuna
import pytest
from optuna.trial import TrialState

from training.common.errors import DataError, RecipeError
from training.common.recipe import load
from training.ctc import tune as room
from training.ctc.recipe import CtcRecipe, to_toml
from training.ctc.samplers import sampler
from training.ctc.space import Range, for_grid, for_optuna, tidy
from training.ctc.train import fit, prepare
from training.ctc.tune import Tuning, changed, open_study, read, requeued, tune, work

SPACE = {
    "net.layers": [1, 2],
    "net.width": Range(low=8, high=24, step=8),
    "loop.learning_rate": Range(low=1e-3, high=1e-1, log=True),
    "augment.throat": Range(low=0.0, high=0.3),
}
ROOT = Path(__file__).parents[3]


@pytest.fixture
def tuning():
    def make(**keys) -> Tuning:
        return Tuning(**{"recipe": "small.toml", "space": SPACE, "trials": 3, "measure": "loss"} | keys)

    return make


def inside(values):
    assert values["net.layers"] in (1, 2)
    assert values["net.width"] in (8, 16, 24)
    assert isinstance(values["net.width"], int)
    assert 1e-3 <= values["loop.learning_rate"] <= 1e-1
    assert 0 <= values["augment.throat"] <= 0.3


@pytest.mark.parametrize("name", ["random", "tpe", "hyperopt"])
def test_every_sampler_stays_in_the_space_and_the_learning_ones_learn(name):
    early, late = [], []
    for seed in range(3):
        study = optuna.create_study(sampler=sampler(name, SPACE, seed))
        values = []
        for _ in range(40):
            trial = study.ask(for_optuna(SPACE))
            inside(trial.params)
            away = np.log10(trial.params["loop.learning_rate"] / 1e-2) ** 2 + abs(trial.params["augment.throat"] - 0.1)
            values.append(away + 0.3 * (trial.params["net.layers"] - 1))
            study.tell(trial, values[-1])
        early += values[:8]
        late += values[-20:]
    assert name == "random" or np.mean(late) < 0.8 * np.mean(early)


def test_a_grid_is_every_combination():
    grid = for_grid(SPACE | {"augment.throat": [0.0]})
    assert len(grid) == 2 * 3 * 3
    assert len({tuple(values.items()) for values in grid}) == len(grid)
    for values in grid:
        inside(values)


def test_what_another_library_drew_is_made_to_fit():
    drawn = {"net.layers": 2, "net.width": 19.7, "loop.learning_rate": 0.2, "augment.throat": -1e-9}
    assert tidy(SPACE, drawn) == {"net.layers": 2, "net.width": 16, "loop.learning_rate": 0.1, "augment.throat": 0.0}


def test_the_space_may_only_name_what_the_recipe_has(recipe, tuning, tmp_path):
    (tmp_path / "small.toml").write_text(to_toml(recipe()))
    file = tmp_path / "tune.toml"
    file.write_text('recipe = "small.toml"\n[space]\n"net.depth" = [1, 2]\n')
    with pytest.raises(RecipeError, match=r"space: the recipe has no key net\.depth"):
        read(file, [])
    file.write_text('recipe = "small.toml"\n[space]\n"net.layers" = [1, 200]\n')
    with pytest.raises(RecipeError, match=r"net\.layers"):
        read(file, [])


@pytest.mark.parametrize("name", ["grid", "random", "tpe", "hyperopt"])
def test_a_study_by_any_sampler_and_the_recipe_it_leaves(data, recipe, tuning, tmp_path, name):
    asked = tuning(sampler=name, pruning=False, space=SPACE | {"augment.throat": [0.0], "net.width": [8]})
    base = recipe(loop={"steps": 4})
    study = open_study(asked, base, tmp_path)
    if name == "grid":
        for values in for_grid(asked.space):
            study.enqueue_trial(values)
    work(asked, base, data, tmp_path, 0)
    best = room.finish(study, asked, base, tmp_path, lambda _: None)
    done = [t for t in study.trials if t.state == TrialState.COMPLETE]
    assert len(done) == 3
    assert best.value == min(t.value for t in done)
    again = load(tmp_path / "best.toml", CtcRecipe)
    assert again == changed(base, best.params)
    trained = fit(again, prepare(again, data), tmp_path / "again", quiet=True)
    assert trained.validation.loss == best.value  # to the last bit
    assert (tmp_path / "history.png").exists()
    assert "| trial | loss |" in (tmp_path / "study.md").read_text()


def test_a_trial_that_cannot_be_is_a_result_too(data, recipe, tuning, tmp_path):
    """A stride of 4 leaves too few frames for some clips: said, counted, and not tried again."""
    asked = tuning(space={"net.stride": [4], "net.width": [8]}, trials=2)
    base = recipe(data={"manifests": ["digits/manifest.jsonl"]}, net={"stride": 1}, loop={"learning_rate": 1e6})
    broken = asked.model_copy(update={"space": {"loop.learning_rate": [1e30], "net.width": [8]}})
    study = open_study(broken, base, tmp_path)
    work(broken, base, data, tmp_path, 0)
    assert [t.state for t in study.trials] == [TrialState.FAIL] * 2
    assert "3 steps in a row" in study.trials[0].user_attrs["reason"]
    assert requeued(study) == []
    with pytest.raises(DataError, match="no trial came to its end: step"):
        room.finish(study, broken, base, tmp_path, lambda _: None)


def test_bad_trials_are_pruned(data, recipe, tuning, tmp_path):
    asked = tuning(trials=7, space={"loop.learning_rate": Range(low=1e-3, high=2e-2, log=True), "net.width": [8]})
    base = recipe(loop={"steps": 8, "evaluate_every": 2})
    study = open_study(asked, base, tmp_path)
    good = [{"loop.learning_rate": 1e-2, "net.width": 8}] * 6
    for values in [*good, {"loop.learning_rate": 1e-3, "net.width": 8}]:
        study.enqueue_trial(values)
    work(asked, base, data, tmp_path, 0)
    assert study.trials[-1].state == TrialState.PRUNED
    assert len(study.trials[-1].intermediate_values) < 4


def test_a_study_of_something_else_is_refused(recipe, tuning, tmp_path):
    open_study(tuning(), recipe(), tmp_path)
    with pytest.raises(RecipeError, match="another recipe or space"):
        open_study(tuning(space={"net.layers": [1]}), recipe(), tmp_path)


def test_a_kill_while_queueing_neither_loses_a_trial_nor_queues_it_twice(recipe, tuning, tmp_path, monkeypatch):
    study = open_study(tuning(), recipe(), tmp_path)
    values = for_grid(SPACE)[5]
    study.enqueue_trial(values)
    study.ask()  # killed before a value was taken from the queue

    def killed(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(study, "tell", killed)
        with pytest.raises(KeyboardInterrupt):
            requeued(study)
    assert requeued(study) == []
    assert [t.state for t in study.trials] == [TrialState.FAIL, TrialState.WAITING]
    assert study.ask(for_optuna(SPACE)).params == values


def test_a_trial_that_was_interrupted_keeps_its_curve(data, recipe, tuning, tmp_path):
    """Six steps, measured after three and after six; the kill came after the first measure."""
    asked, base = tuning(trials=1), recipe()
    study = open_study(asked, base, tmp_path)
    study.ask(for_optuna(SPACE)).report(0.125, 3)
    assert requeued(study) == [0]
    work(asked, base, data, tmp_path, 0)
    again = study.trials[-1]
    assert again.intermediate_values.keys() == {3, 6}
    assert again.intermediate_values[3] == 0.125  # as it was told, not told twice


@pytest.mark.timeout(300)
def test_killed_in_the_middle_nothing_is_lost(data, recipe, tuning, tmp_path):
    """kill -9 of the whole study, while a trial runs; then the same command again."""
    base = recipe(loop={"steps": 60, "evaluate_every": 10, "checkpoint_every": 10}, net={"net": "cnn", "width": 32})
    (tmp_path / "small.toml").write_text(to_toml(base))
    file, out = tmp_path / "tune.toml", tmp_path / "out"
    file.write_text(
        'recipe = "small.toml"\ntrials = 5\npruning = false\n[space]\n"loop.learning_rate" = {low = 1e-3, high = 1e-2}\n'
    )
    asked, read_base = read(file, [])
    call = "from training.cli import app; app()"
    command = [sys.executable, "-c", call, "tune", str(file), "--data", str(data), "--out", str(out), "--workers", "1"]
    process = subprocess.Popen(command, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        before = _wait_for_the_middle(out, process)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    study = open_study(asked, read_base, out)
    before = {t.number: t for t in study.trials}
    interrupted = [t.params for t in before.values() if t.state == TrialState.RUNNING]
    assert len(interrupted) == 1
    said = []
    tune(asked, read_base, data, out, workers=1, say=said.append)
    after = open_study(asked, read_base, out).trials
    assert sum(t.state == TrialState.COMPLETE for t in after) == 5
    for number, trial in before.items():
        if trial.state == TrialState.COMPLETE:
            assert (after[number].value, after[number].params) == (trial.value, trial.params)
    assert [t.state for t in after if t.params == interrupted[0]] == [TrialState.FAIL, TrialState.COMPLETE]
    assert len({t.params["loop.learning_rate"] for t in after}) == 5  # nothing was drawn twice but the one that was cut
    assert any("was interrupted; it is queued again" in line for line in said)


def _wait_for_the_middle(out, process):
    """Until one trial is done and another has trained for a while."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        assert process.poll() is None, "the study ended before it could be killed"
        if (out / "study.db").exists() and len(list((out / "trials").glob("*/checkpoint.pt"))) >= 2:
            states = [
                t.state for t in optuna.load_study(study_name="study", storage=f"sqlite:///{out / 'study.db'}").trials
            ]
            if TrialState.COMPLETE in states and TrialState.RUNNING in states:
                return states
        time.sleep(0.02)
    raise AssertionError("the study did not begin")


@pytest.mark.ray
@pytest.mark.timeout(600)
def test_a_study_on_a_local_ray(data, recipe, tuning, tmp_path, monkeypatch):
    """One of its trials was interrupted, one cannot be: both are told as without Ray."""
    pytest.importorskip("ray.tune")
    from training.ctc.ray_tune import tune_by_ray

    monkeypatch.setenv("RAY_worker_niceness", "0")  # else 15: beside other work its imports alone took six minutes
    rates = [1e-2, 3e-2, 1e30]
    asked = tuning(trials=3, sampler="grid", space={"loop.learning_rate": rates})
    base = recipe(loop={"steps": 4, "learning_rate": 1e-2})
    study = open_study(asked, base, tmp_path)
    for values in for_grid(asked.space):
        study.enqueue_trial(values)
    study.ask(for_optuna(asked.space))
    said = []
    best = tune_by_ray(asked, base, data, tmp_path, "local", say=said.append)
    ended = {t.params["loop.learning_rate"]: t.state for t in open_study(asked, base, tmp_path).trials}
    assert ended == {1e-2: TrialState.COMPLETE, 3e-2: TrialState.COMPLETE, 1e30: TrialState.FAIL}
    assert "trial 0 was interrupted; it is queued again" in said
    assert any("3 steps in a row" in line for line in said)
    trained = fit(load(tmp_path / "best.toml", CtcRecipe), prepare(base, data), tmp_path / "again", quiet=True)
    assert trained.validation.loss == best.value
