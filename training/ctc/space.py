"""What a tuning study may change, said once: for Optuna, for Hyperopt, for a grid, and for Ray Tune.

[space]
"net.layers" = [1, 2, 3]                                           one of these
"loop.learning_rate" = { low = 5e-4, high = 1e-2, log = true }     a number between
"net.width" = { low = 64, high = 256, step = 32 }                  whole numbers, when both ends are
"""

import math
from collections.abc import Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

from pydantic import Field, model_validator

from training.common.recipe import Section

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Value = str | int | float | bool
Values = dict[str, Value]


class Range(Section):
    """Numbers from `low` to `high`, both included."""

    low: int | float
    high: int | float
    step: int | float | None = Field(None, gt=0)
    log: bool = False
    points: int = Field(3, ge=2, le=100, description="Of a grid, when there is no step.")

    @model_validator(mode="after")
    def _sensible(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"low = {self.low} must be below high = {self.high}")
        if self.log and (self.low <= 0 or self.step):
            raise ValueError("log needs low above 0, and no step")
        return self

    @property
    def whole(self) -> bool:
        """Whether its numbers are integers."""
        return isinstance(self.low, int) and isinstance(self.high, int) and isinstance(self.step, int | None)

    def grid(self) -> list[Value]:
        """Its points, evenly apart (by their ratio, if `log`)."""
        if self.step:
            count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
            found = [self.low + i * self.step for i in range(count)]
        elif self.log:
            found = [self.low * (self.high / self.low) ** (i / (self.points - 1)) for i in range(self.points)]
        else:
            found = [self.low + (self.high - self.low) * i / (self.points - 1) for i in range(self.points)]
        return list(dict.fromkeys(round(value) if self.whole else float(value) for value in found))


Dimension = Range | list[Value]


def for_optuna(space: Mapping[str, Dimension]) -> "dict[str, BaseDistribution]":
    """Distributions, as trials are asked with and as the study's file keeps them."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, BaseDistribution] = {}
    for key, dimension in space.items():
        if not isinstance(dimension, Range):
            found[key] = CategoricalDistribution(dimension)
        elif dimension.whole:
            found[key] = IntDistribution(
                int(dimension.low), int(dimension.high), dimension.log, int(dimension.step or 1)
            )
        else:
            found[key] = FloatDistribution(dimension.low, dimension.high, dimension.log, dimension.step)
    return found


def for_grid(space: Mapping[str, Dimension]) -> list[Values]:
    """Every combination."""
    axes = [dimension.grid() if isinstance(dimension, Range) else dimension for dimension in space.values()]
    return [dict(zip(space, values, strict=True)) for values in product(*axes)]


def for_hyperopt(space: Mapping[str, Dimension]) -> dict[str, Any]:
    """Hyperopt's expressions. Steps of a scale of ratios are its own business: whole numbers are rounded in `tidy`."""
    from hyperopt import hp

    found = {}
    for key, dimension in space.items():
        if not isinstance(dimension, Range):
            found[key] = hp.choice(key, dimension)
        elif dimension.log:
            found[key] = hp.loguniform(key, math.log(dimension.low), math.log(dimension.high))
        elif dimension.whole or dimension.step:
            found[key] = hp.quniform(key, dimension.low, dimension.high, dimension.step or 1)
        else:
            found[key] = hp.uniform(key, dimension.low, dimension.high)
    return found


def tidy(space: Mapping[str, Dimension], values: Mapping[str, Any]) -> Values:
    """Values that another library drew, as this space has them: within the range, on its steps, whole where it is whole."""
    found: Values = {}
    for key, dimension in space.items():
        value = values[key]
        if isinstance(dimension, Range):
            value = min(max(float(value), dimension.low), dimension.high)
            if dimension.step:
                value = dimension.low + round((value - dimension.low) / dimension.step) * dimension.step
                value = min(
                    value,
                    dimension.low
                    + math.floor((dimension.high - dimension.low) / dimension.step + 1e-9) * dimension.step,
                )
            value = round(value) if dimension.whole else float(value)
        found[key] = value
    return found
