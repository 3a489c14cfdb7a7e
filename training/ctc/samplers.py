"""Who proposes the next trial. Hyperopt is asked through Optuna's door, so that one study file serves both."""

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState

from training.ctc.space import Dimension, for_hyperopt, for_optuna, tidy

Name = Literal["grid", "random", "tpe", "hyperopt"]

STARTUP = 8
"""Trials drawn at random before a sampler that learns begins to."""


def sampler(name: Name, space: Mapping[str, Dimension], seed: int) -> BaseSampler:
    """A grid's trials are queued by the study itself, so its sampler has nothing to say."""
    if name == "tpe":
        return TPESampler(seed=seed, n_startup_trials=STARTUP, multivariate=True, constant_liar=True)
    if name == "hyperopt":
        return HyperoptSampler(space, seed)
    return RandomSampler(seed=seed)


class HyperoptSampler(BaseSampler):
    """Hyperopt's TPE (Bergstra et al. 2013) over the study's finished trials."""

    def __init__(self, space: Mapping[str, Dimension], seed: int) -> None:
        from hyperopt.base import Domain

        self._space, self._seed = space, seed
        self._distributions = for_optuna(space)
        self._domain = Domain(lambda _: 0.0, for_hyperopt(space))
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Always the whole space: nothing in it depends on anything else."""
        return self._distributions

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """What Hyperopt proposes, given what is known by now."""
        from hyperopt import space_eval, tpe

        seed = int(np.random.default_rng([self._seed, trial.number]).integers(2**31))
        (proposed,) = tpe.suggest(
            [trial.number], self._domain, self._known(study), seed, n_startup_jobs=STARTUP, verbose=False
        )
        drawn = {key: values[0] for key, values in proposed["misc"]["vals"].items()}
        return tidy(self._space, space_eval(for_hyperopt(self._space), drawn))

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Of a parameter that is not in the space; there is none."""
        return self._random.sample_independent(study, trial, param_name, param_distribution)

    def _known(self, study: Study) -> Any:
        """The study's finished trials as Hyperopt keeps them. A pruned one counts with the last that was heard of it."""
        from hyperopt import STATUS_OK, Trials
        from hyperopt.base import JOB_STATE_DONE

        trials, docs = Trials(), []
        for done in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED)):
            value = done.value if done.value is not None else max(done.intermediate_values.values(), default=None)
            if value is None or set(done.params) != set(self._space):
                continue
            number, values = done.number, {key: [self._place(key, each)] for key, each in done.params.items()}
            misc = {
                "tid": number,
                "cmd": ("domain_attachment", "FMinIter_Domain"),
                "workdir": None,
                "idxs": {key: [number] for key in values},
                "vals": values,
            }
            (doc,) = trials.new_trial_docs([number], [None], [{"status": STATUS_OK, "loss": float(value)}], [misc])
            doc["state"] = JOB_STATE_DONE
            docs.append(doc)
        trials.insert_trial_docs(docs)
        trials.refresh()
        return trials

    def _place(self, key: str, value: Any) -> Any:
        """Hyperopt knows a choice by its place in the list."""
        dimension = self._space[key]
        return dimension.index(value) if isinstance(dimension, list) else value
