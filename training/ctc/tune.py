"""A search for a better recipe: trials are trainings of the recipe with other values, kept in one SQLite file.

    out/study.db            every trial: its values, its curve, how it ended
    out/trials/KEY/         its training; KEY is made of its values
    out/best.toml           the recipe of the best trial: `allo train ctc` makes the same figures of it
    out/history.png, out/importance.png, out/study.md

A study that is killed, even by -9, goes on when the command is given again: a trial that nobody finished is queued anew with the
same values, and its training goes on from its last checkpoint. Workers are processes of one thread: a trial comes out the same in
any of them.
"""

import hashlib
import json
import math
import multiprocessing
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import optuna
from filelock import FileLock, Timeout
from optuna.trial import FrozenTrial, Trial, TrialState
from pydantic import Field, ValidationError

from pipelines.problems import explain
from training.common.errors import DataError, RecipeError
from training.common.recipe import Section, load
from training.ctc.recipe import CtcRecipe, to_toml
from training.ctc.samplers import STARTUP, Name, sampler
from training.ctc.space import Dimension, Values, for_grid, for_optuna
from training.ctc.train import Prepared, fit, prepare

Say = Callable[[str], None]
_STUDY = "study"
_AGAIN = "again"
"""Attribute of a trial that was interrupted and queued anew: the number it had."""


class Tuning(Section):
    """A whole recipe of `allo train tune`."""

    recipe: str
    """The recipe of `allo train ctc` that is varied, relative to this file."""
    set: Values = Field(default_factory=dict)
    """Keys of it that are other than there in all trials, such as fewer steps."""
    space: dict[str, Dimension] = Field(min_length=1)
    """Keys of the recipe, and what each may be; see `space.py`."""
    trials: int = Field(20, ge=1)
    sampler: Name = "tpe"
    pruning: bool = True
    """Whether a trial whose measure is above the median of the others at the same point is ended."""
    seed: int = Field(0, ge=0)
    measure: Literal["wer", "cer", "loss"] = "cer"
    """Of the validation's speakers, at the trial's best weights."""


def read(path: Path, overrides: list[str]) -> tuple[Tuning, CtcRecipe]:
    """A tuning and the recipe it is about. Raises RecipeError, also when the space names what the recipe does not have."""
    tuning = load(path, Tuning, overrides)
    base = load(
        path.parent / tuning.recipe, CtcRecipe, [f"{key}={json.dumps(value)}" for key, value in tuning.set.items()]
    )
    if not base.data.validation:
        raise RecipeError(f"{tuning.recipe}: data.validation holds nobody aside; a study needs someone to measure on.")
    for values in (_corner(tuning, 0), _corner(tuning, -1)):
        changed(base, values)
    return tuning, base


def changed(base: CtcRecipe, values: Mapping[str, Any]) -> CtcRecipe:
    """`base` with other values, by keys such as "net.layers"."""
    table = base.model_dump(mode="json")
    for key, value in values.items():
        *tables, last = key.split(".")
        place = table
        for name in tables:
            place = place.get(name) if isinstance(place, dict) else None
        if not isinstance(place, dict) or last not in place:
            raise RecipeError(f"space: the recipe has no key {key}.")
        place[last] = value
    try:
        return CtcRecipe.model_validate(table)
    except ValidationError as error:
        problems = "; ".join(str(problem) for problem in explain(error, CtcRecipe))
        raise RecipeError(f"{dict(values)}: {problems}") from error


def tune(
    tuning: Tuning, base: CtcRecipe, data: Path, out: Path, *, workers: int = 1, quiet: bool = False, say: Say = print
) -> FrozenTrial:
    """Run what is left of the study; returns its best trial. Raises RecipeError (another study lies in `out`, or runs there),
    DataError (bad data, or no trial came to an end)."""
    with opened(tuning, base, data, out, say) as study:
        os.environ["OMP_NUM_THREADS"] = "1"
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context) as pool:
            for done in [pool.submit(work, tuning, base, data, out, number) for number in range(workers)]:
                done.result()
        return finish(study, tuning, base, out, say)


@contextmanager
def opened(tuning: Tuning, base: CtcRecipe, data: Path, out: Path, say: Say) -> Iterator[optuna.Study]:
    """The study in `out`, locked, with what is left of it queued. Raises as `tune` does."""
    out.mkdir(parents=True, exist_ok=True)
    prepare(base, data, say)  # bad data is said before any trial
    try:
        lock = FileLock(out / "study.lock").acquire(timeout=0)
    except Timeout:
        raise RecipeError(f"a study runs in {out} already.") from None
    with lock:
        study = open_study(tuning, base, out)
        for number in requeued(study):
            say(f"trial {number} was interrupted; it is queued again")
        if tuning.sampler == "grid" and not study.get_trials(deepcopy=False):
            for values in for_grid(tuning.space):
                study.enqueue_trial(values)
        yield study


def open_study(tuning: Tuning, base: CtcRecipe, out: Path, worker: int = 0) -> optuna.Study:
    """The study in `out`, made if there is none."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(
        storage=f"sqlite:///{out / 'study.db'}",
        study_name=_STUDY,
        direction="minimize",
        load_if_exists=True,
        pruner=optuna.pruners.MedianPruner(n_startup_trials=STARTUP // 2, n_warmup_steps=1)
        if tuning.pruning
        else optuna.pruners.NopPruner(),
    )
    asked = {
        "base": base.model_dump(mode="json"),
        "space": tuning.model_dump(mode="json")["space"],
        "measure": tuning.measure,
    }
    # A process that goes on with a study must not draw what the one before it drew: the seed moves with what is there.
    drawn = len(study.get_trials(deepcopy=False))
    study.sampler = sampler(tuning.sampler, tuning.space, tuning.seed + 1_000_003 * worker + 1_009 * drawn)
    was = study.user_attrs.get("asked")
    if was is None:
        study.set_user_attr("asked", asked)
    elif was != asked:
        raise RecipeError(f"{out} holds a study of another recipe or space. Give another --out.")
    return study


def requeued(study: optuna.Study) -> list[int]:
    """Trials that were running when their process died are ended, and queued again with the same values. Only for whoever
    holds the study's lock: nobody else can be running one."""
    found = []
    trials = study.get_trials(deepcopy=False)
    queued = {trial.user_attrs.get(_AGAIN) for trial in trials}  # by a process that died while it queued
    for trial in trials:
        if trial.state != TrialState.RUNNING:
            continue
        values = trial.system_attrs.get("fixed_params", {}) | trial.params  # it may have died before all were drawn
        if values and trial.number not in queued:
            study.enqueue_trial(values, user_attrs={_AGAIN: trial.number})
            found.append(trial.number)
        study.tell(trial.number, state=TrialState.FAIL)
    return found


def work(tuning: Tuning, base: CtcRecipe, data: Path, out: Path, worker: int) -> None:
    """Trials, one after the other, until the study has as many as it should."""
    study = open_study(tuning, base, out, worker)
    while (trial := next_trial(study, tuning, out)) is not None:
        try:
            value = measured(
                tuning, changed(base, trial.params), data, out, _pruner(trial, tuning, _curve(study, trial))
            )
        except optuna.TrialPruned:
            study.tell(trial, state=TrialState.PRUNED)
        except (DataError, RecipeError) as error:  # these values do not go together, or diverge: that is a result too
            trial.set_user_attr("reason", str(error).splitlines()[0])
            study.tell(trial, state=TrialState.FAIL)
        else:
            study.tell(trial, value)


def next_trial(study: optuna.Study, tuning: Tuning, out: Path) -> Trial | None:
    """A new trial, unless there are enough. One worker asks at a time: they would overshoot together."""
    with FileLock(out / "ask.lock"):
        trials = study.get_trials(deepcopy=False)
        counted = [
            t
            for t in trials
            if t.state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING) or "reason" in t.user_attrs
        ]
        waiting = any(t.state == TrialState.WAITING for t in trials)
        if len(counted) >= tuning.trials or (tuning.sampler == "grid" and not waiting):
            return None
        return study.ask(for_optuna(tuning.space))


def _curve(study: optuna.Study, trial: Trial) -> Mapping[int, float]:
    """What was reported of it before it was interrupted: its training goes on from a checkpoint and does not say that again."""
    again = trial.user_attrs.get(_AGAIN)
    return {} if again is None else study.get_trials(deepcopy=False)[again].intermediate_values


def _pruner(trial: Trial, tuning: Tuning, before: Mapping[int, float]) -> Callable[[int, Mapping[str, float]], None]:
    for step, value in before.items():
        trial.report(value, step)

    def reported(step: int, measures: Mapping[str, float]) -> None:
        if step not in before:
            trial.report(measures[tuning.measure], step)
        if tuning.pruning and trial.should_prune():
            raise optuna.TrialPruned

    return reported


def measured(
    tuning: Tuning,
    recipe: CtcRecipe,
    data: Path,
    out: Path,
    reported: Callable[[int, Mapping[str, float]], None] | None = None,
) -> float:
    """Train `recipe` below `out/trials`; the tuning's measure of it. Raises DataError when it diverges."""
    key = hashlib.sha256(recipe.model_dump_json().encode()).hexdigest()[:16]
    prepared = _prepared(recipe.model_copy(update={"augment": type(recipe.augment)()}).model_dump_json(), data)
    done = fit(recipe, prepared, out / "trials" / key, reported=reported, quiet=True)
    assert done.validation is not None
    value = {"wer": done.validation.wer, "cer": done.validation.cer, "loss": done.validation.loss}[tuning.measure]
    if not math.isfinite(value):
        raise DataError(f"the validation's {tuning.measure} is no finite number")
    return value


@lru_cache(maxsize=4)
def _prepared(recipe: str, data: Path) -> Prepared:
    found = prepare(CtcRecipe.model_validate_json(recipe), data, lambda _: None)
    return Prepared(found.train, found.validation, [])  # the test's speakers have no say in a search


def finish(study: optuna.Study, tuning: Tuning, base: CtcRecipe, out: Path, say: Say) -> FrozenTrial:
    """Write the best trial's recipe, the pictures and the table."""
    from training.ctc.tune_report import write_report

    if not study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        reasons = {t.user_attrs.get("reason", "pruned") for t in study.get_trials(deepcopy=False)}
        raise DataError(f"no trial came to its end: {'; '.join(sorted(reasons))}")
    best = study.best_trial
    (out / "best.toml").write_text(to_toml(changed(base, best.params)), encoding="utf-8")
    write_report(study, tuning, out)
    counts = {
        state.name.lower(): sum(t.state == state for t in study.get_trials(deepcopy=False)) for state in TrialState
    }
    say(", ".join(f"{count} {name}" for name, count in counts.items() if count))
    say(f"best: trial {best.number}, {tuning.measure} {best.value:.4f}, {best.params}")
    return best


def _corner(tuning: Tuning, end: int) -> Values:
    """The first or last value of each dimension."""
    return {
        key: dimension[end] if isinstance(dimension, list) else (dimension.low, dimension.high)[end]
        for key, dimension in tuning.space.items()
    }
