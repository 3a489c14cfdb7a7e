"""Whether more data and more time help: recipes trained on growing parts of their data, listened to as they learn.

    out/RECIPE-PART.json    the curve of one training
    out/growth.md, out/growth.png

The speakers that are tested are the same in all trainings; a smaller part's clips are all in the larger one's.
"""

import random
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import matplotlib

matplotlib.use("Agg")

import msgspec
import numpy as np
from matplotlib import pyplot
from numpy.typing import NDArray
from pydantic import Field

from training.common.errors import RecipeError
from training.common.measures import Errors, interval, rate
from training.common.recipe import Section, load
from training.ctc.comparison import write
from training.ctc.data import Utterance
from training.ctc.recipe import CtcRecipe
from training.ctc.space import Values
from training.ctc.train import Prepared, fit, prepare
from training.ctc.tune import changed

Say = Callable[[str], None]
Floats = NDArray[np.float32]


class Growth(Section):
    """A whole recipe of `allo train growth`."""

    recipes: list[str] = Field(min_length=1)
    """Recipes of `allo train ctc`, relative to this file."""
    set: Values = Field(default_factory=dict)
    """Keys of them that are other than there, such as fewer steps."""
    parts: list[float] = Field(default=[0.25, 0.5, 1.0], min_length=1)
    """Of the seconds to train on, 0 to 1; whole speakers are taken."""
    points: int = Field(6, ge=1, description="How often the unseen speakers are listened to, at even distances.")


class Point(msgspec.Struct):
    """What a net makes of the unseen speakers after some steps; rates from 0 upwards."""

    step: int
    cer: float
    wer: float
    loss: float


class Curve(msgspec.Struct):
    """One training."""

    recipe: str
    part: float
    speakers: int
    minutes: float
    parameters: int
    points: list[Point]
    character_errors: list[Errors]
    """Of each unseen clip, at the end."""
    word_errors: list[Errors]
    heard: list[str]
    said: list[str]


def read(path: Path, overrides: Sequence[str] = ()) -> tuple[Growth, list[CtcRecipe]]:
    """A plan and its recipes, all changes made. Raises RecipeError."""
    plan = load(path, Growth, overrides)
    if any(not 0 < part <= 1 for part in plan.parts):
        raise RecipeError("parts: each is above 0 and at most 1.")
    recipes = [changed(load(path.parent / name, CtcRecipe), plan.set) for name in plan.recipes]
    if any(not recipe.data.test for recipe in recipes):
        raise RecipeError("data.test holds nobody aside; growth is measured on speakers that are not trained on.")
    return plan, recipes


def grow(
    plan: Growth, recipes: Sequence[CtcRecipe], data: Path, out: Path, *, quiet: bool = False, say: Say = print
) -> str:
    """Train what is not trained yet; returns the table. Raises DataError."""
    out.mkdir(parents=True, exist_ok=True)
    curves = []
    for recipe in recipes:
        parts = None
        made: dict[tuple[str, int], Floats] = {}  # features of all variations, which the parts share
        for part in plan.parts:
            file = out / f"{recipe.name}-{part:g}.json"
            if not file.exists():
                parts = parts or prepare(recipe, data, say)
                write(file, _trained(plan, recipe, part, parts, made, quiet))
                say(f"{recipe.name}, {100 * part:.0f} % of the data: done")
            curves.append(msgspec.json.decode(file.read_bytes(), type=Curve))
    text = "\n".join(_table(curves)) + "\n"
    (out / "growth.md").write_text(text)
    _picture(curves, out / "growth.png")
    return text


def some(utterances: Sequence[Utterance], part: float, seed: int) -> list[Utterance]:
    """Whole speakers, in an order drawn by `seed`, until `part` of the seconds is reached: a smaller part lies in the larger one."""
    wanted = part * sum(u.clip.duration for u in utterances)
    names = sorted({u.clip.speaker for u in utterances})
    taken: set[str] = set()
    for name in random.Random(seed).sample(names, len(names)):
        if sum(u.clip.duration for u in utterances if u.clip.speaker in taken) < wanted - 1e-6:
            taken.add(name)
    return [u for u in utterances if u.clip.speaker in taken]


def _trained(
    plan: Growth, recipe: CtcRecipe, part: float, parts: Prepared, made: dict[tuple[str, int], Floats], quiet: bool
) -> Curve:
    """The last weights are measured: the unseen speakers choose nothing."""
    taught = some([*parts.train, *parts.validation], part, recipe.data.seed)
    every = -(-recipe.loop.steps // plan.points)
    loop = recipe.loop.model_copy(update={"evaluate_every": every, "checkpoint_every": 0, "tensorboard": False})
    recipe = recipe.model_copy(update={"loop": loop})
    with tempfile.TemporaryDirectory() as scratch:
        done = fit(recipe, Prepared(taught, parts.test, []), Path(scratch), kept=made, keep="last", quiet=quiet)
    assert done.validation is not None
    return Curve(
        recipe=recipe.name,
        part=part,
        speakers=len({u.clip.speaker for u in taught}),
        minutes=sum(u.clip.duration for u in taught) / 60,
        parameters=done.net.parameters_count,
        points=[Point(step, found["cer"], found["wer"], found["loss"]) for step, found in done.outcome.measures],
        character_errors=done.validation.characters,
        word_errors=done.validation.words,
        heard=done.validation.texts,
        said=[u.clip.text for u in parts.test],
    )


def _table(curves: Sequence[Curve]) -> list[str]:
    steps = [f"after {point.step}" for point in curves[0].points[:-1]]
    lines = [
        f"Character error on unseen speakers ({len(curves[0].said)} clips), %, after so many steps; at the end with 95 %, and the word error.",
        "",
        f"| recipe | part | speakers | minutes | {' | '.join(steps)} | at the end ({curves[0].points[-1].step}) | word error at the end |",
        "|" + "---|" * (len(steps) + 6),
    ]
    for curve in curves:
        cells = [curve.recipe, f"{100 * curve.part:.0f} %", str(curve.speakers), f"{curve.minutes:.0f}"]
        cells += [f"{100 * point.cer:.1f}" for point in curve.points[:-1]]
        cells += [_bounded(curve.character_errors), _bounded(curve.word_errors)]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _bounded(errors: Sequence[Errors]) -> str:
    low, high = interval(errors)
    return f"{100 * rate(errors):.1f} ({100 * low:.1f} to {100 * high:.1f})"


def _picture(curves: Sequence[Curve], file: Path) -> None:
    names = list(dict.fromkeys(curve.recipe for curve in curves))
    figure, panels = pyplot.subplots(1, len(names), figsize=(5 * len(names), 4), sharey=True, squeeze=False)
    for panel, name in zip(panels[0], names, strict=True):
        mine = [curve for curve in curves if curve.recipe == name]
        for place, curve in enumerate(mine):
            shade = pyplot.get_cmap("viridis_r")(0.2 + 0.7 * place / len(mine))
            label = f"{curve.minutes:.0f} min of {curve.speakers} speakers"
            panel.plot(
                [p.step for p in curve.points], [100 * p.cer for p in curve.points], "o-", color=shade, label=label
            )
        panel.set(title=f"{name}, {mine[0].parameters / 1e6:.1f} million parameters", xlabel="steps")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=8)
    panels[0][0].set_ylabel("character error on unseen speakers, %")
    figure.tight_layout()
    figure.savefig(file, dpi=110)
    pyplot.close(figure)
