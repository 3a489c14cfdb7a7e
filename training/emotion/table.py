"""Several recipes side by side, each speaker left out in turn; what has been measured is not measured again."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from training.common.recipe import load
from training.common.seeds import each
from training.emotion.crossing import prepare
from training.emotion.pictures import confusion_picture
from training.emotion.recipe import EmotionRecipe
from training.emotion.train import measured

Say = Callable[[str], None]


def table(recipes: Sequence[Path], data: Path, out: Path, overrides: Sequence[str] = (), say: Say = print) -> str:
    """Write `table.md`, and for each recipe NAME.json and NAME.png, in `out`; returns the table. Raises DataError, RecipeError."""
    import torch

    torch.set_num_threads(1)
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    inputs: dict[str, Any] = {}
    for path in recipes:
        recipe = load(path, EmotionRecipe, overrides)
        file = out / f"{recipe.name}.json"
        if not file.exists():
            seen = (
                recipe.model_dump_json(include={"data", "augment", "classes"})
                + recipe.net.base
                + str(recipe.net.linear)
            )
            if seen not in inputs:
                inputs = {seen: prepare(recipe, data, say)}
            figures, _ = measured(recipe, inputs[seen], out / recipe.name, say)
            file.write_text(json.dumps(figures, indent=2) + "\n")
        figures = json.loads(file.read_text())
        confusion_picture(np.array(figures[0]["confusion"]), recipe.labels, recipe.note, out / f"{recipe.name}.png")
        rows.append(_row(recipe, figures))
    text = "\n".join([*_head(recipe), *rows]) + "\n"
    (out / "table.md").write_text(text)
    return text


def _head(recipe: EmotionRecipe) -> list[str]:
    titles = [
        "model",
        "parameters",
        "UAR % (95 %)",
        "by seed",
        *recipe.labels,
        "worst, best speaker",
        "calibration error, before",
        "anger caught",
    ]
    titles += [f"called angry, worst of {len(recipe.data.callers)} corpora, unseen"]
    return [f"| {' | '.join(titles)} |", "|" + "---|" * len(titles)]


def _row(recipe: EmotionRecipe, figures: list[dict[str, Any]]) -> str:
    first = figures[0]
    low, high = first["uar_interval"]
    cells = [
        recipe.name,
        f"{first['parameters']:,}".replace(",", " "),
        f"{_percent(figures, 'uar')} ({100 * low:.1f} to {100 * high:.1f})",
        ", ".join(f"{100 * one['uar']:.1f}" for one in figures),
        *(f"{100 * mean(one['recalls'][label] for one in figures):.0f}" for label in recipe.labels),
        "; ".join(f"{100 * min(p):.0f}, {100 * max(p):.0f}" for p in (one["speakers"].values() for one in figures)),
        "; ".join(f"{one['calibration_error']:.2f}, {one['calibration_error_before']:.2f}" for one in figures),
        f"{_percent(figures, 'anger_caught')} %{each([100 * one['anger_caught'] for one in figures], 1)}",
        "; ".join(" ".join(_worst(one["false_alarms"])) for one in figures),
    ]
    return f"| {' | '.join(cells)} |"


def _worst(alarms: dict[str, float]) -> list[str]:
    if not alarms:
        return ["-"]
    name = max(alarms, key=alarms.__getitem__)
    return [f"{100 * alarms[name]:.1f} %", f"({name})"]


def _percent(figures: list[dict[str, Any]], name: str) -> str:
    return f"{100 * mean(one[name] for one in figures):.1f}"
