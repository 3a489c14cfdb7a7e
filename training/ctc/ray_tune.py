"""The same study on several machines: Ray's workers train the trials, and the study here draws them and keeps them.

Ray asks the study for one trial after the other, so the sampler is the recipe's own, it learns from what has come in, and a study that is
killed goes on as any other. Every machine needs this project installed, and the data and `out` at the same path (a shared folder).
"""

from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from training.common.errors import DataError, RecipeError
from training.ctc.recipe import CtcRecipe
from training.ctc.tune import Say, Tuning, changed, finish, measured, next_trial, opened

_OBJECTS = 100 * 2**20  # bytes of Ray's own store, which holds nothing here but values and figures


def tune_by_ray(tuning: Tuning, base: CtcRecipe, data: Path, out: Path, address: str, say: Say = print) -> FrozenTrial:
    """Run what is left of the study on the cluster at `address` ("local": one started here, for this study alone), each trial on
    one core, without pruning. Raises as `tune` does, and RecipeError where ray is not installed."""
    try:
        import ray
        from ray import tune
        from ray.tune.search import Searcher
    except ModuleNotFoundError as error:
        raise RecipeError("ray is not installed. Run: pip install 'allo[train,ray]'") from error
    data, out = data.resolve(), out.resolve()

    def trained(config: dict[str, Any]) -> dict[str, Any]:
        try:
            return {"value": measured(tuning, changed(base, config["values"]), data, out)}
        except (DataError, RecipeError) as error:  # these values do not go together, or diverge: that is a result too
            return {"reason": str(error).splitlines()[0]}

    class Asked(Searcher):
        """The study, as Ray asks for trials and tells how they ended."""

        def __init__(self, study: optuna.Study) -> None:
            super().__init__()
            self._study = study
            self._running: dict[str, optuna.Trial] = {}

        def suggest(self, trial_id: str) -> dict[str, Any] | str:
            trial = next_trial(self._study, tuning, out)
            if trial is None:
                return Searcher.FINISHED
            self._running[trial_id] = trial
            return {"values": trial.params}

        def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
            trial = self._running.pop(trial_id)
            if result is not None and "value" in result:
                self._study.tell(trial, result["value"])
                return
            reason = (result or {}).get("reason", "its worker failed")
            say(f"trial {trial.number}: {reason}")
            trial.set_user_attr("reason", reason)
            self._study.tell(trial, state=TrialState.FAIL)

        def save(self, checkpoint_path: str) -> None:
            Path(checkpoint_path).touch()  # Ray wants a file; what there is to keep is in the study's

    with opened(tuning, base, data, out, say) as study:
        if address == "local":
            ray.init(address="local", include_dashboard=False, log_to_driver=False, object_store_memory=_OBJECTS)
        else:
            ray.init(address=address, log_to_driver=False)
        try:
            tune.Tuner(
                tune.with_resources(trained, {"cpu": 1}),
                tune_config=tune.TuneConfig(
                    search_alg=Asked(study),
                    num_samples=tuning.trials,  # at most; the study says when there are enough
                    reuse_actors=True,  # a new one imports torch anew, which takes longer than a small trial
                    trial_dirname_creator=lambda trial: trial.trial_id,
                ),
                run_config=tune.RunConfig(name="ray", storage_path=str(out), verbose=0),
            ).fit()
        finally:
            ray.shutdown()
        return finish(study, tuning, base, out, say)
