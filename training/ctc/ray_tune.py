"""The same study on several machines, by Ray Tune: its workers train the trials, and the study's file here keeps them.

Every machine needs this project installed and the data at the same path (a shared folder).
"""

from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from training.common.errors import RecipeError
from training.ctc.recipe import CtcRecipe
from training.ctc.space import for_optuna, for_ray, tidy
from training.ctc.tune import Say, Tuning, changed, finish, measured, open_study


def tune_by_ray(tuning: Tuning, base: CtcRecipe, data: Path, out: Path, address: str, say: Say = print) -> FrozenTrial:
    """Run what is left of the study on the cluster at `address` ("local": one started here, for this study alone). Trials are
    drawn at random, or are the grid's; each takes one core."""
    try:
        import ray
        from ray import tune
    except ModuleNotFoundError as error:
        raise RecipeError("ray is not installed. Run: pip install 'allo[train,ray]'") from error
    out = out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    study = open_study(tuning, base, out)
    left = tuning.trials - len(study.get_trials(deepcopy=False))
    if left <= 0:
        return finish(study, tuning, base, out, say)

    def trainable(config: dict[str, Any]) -> dict[str, float]:
        recipe = changed(base, tidy(tuning.space, config))
        return {"value": measured(tuning, recipe, data.resolve(), out)}

    ray.init(address=None if address == "local" else address, include_dashboard=False, log_to_driver=False)
    try:
        grid = tuning.sampler == "grid"
        results = tune.Tuner(
            tune.with_resources(trainable, {"cpu": 1}),
            param_space=for_ray(tuning.space, grid=grid),
            tune_config=tune.TuneConfig(metric="value", mode="min", num_samples=1 if grid else left),
            run_config=tune.RunConfig(name="ray", storage_path=str(out), verbose=0),
        ).fit()
    finally:
        ray.shutdown()
    distributions = for_optuna(tuning.space)
    for result in results:
        if result.error is not None:
            say(f"a trial failed: {str(result.error).splitlines()[-1]}")
            continue
        study.add_trial(
            optuna.trial.create_trial(
                params=tidy(tuning.space, result.config), distributions=distributions, value=result.metrics["value"]
            )
        )
    return finish(study, tuning, base, out, say)
