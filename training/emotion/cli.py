"""`allo train emotion`, `emotion-table`."""

from pathlib import Path
from typing import Annotated

import typer

from training.common.options import Data, Out, Overrides, Recipe


def emotion(recipe: Recipe, data: Data, out: Out, overrides: Overrides = None) -> None:
    """Teach how callers sound, measured on speakers left out in turn and on calm callers, and export it for the server."""
    from training.common.recipe import load
    from training.emotion.recipe import EmotionRecipe
    from training.emotion.train import run

    run(load(recipe, EmotionRecipe, overrides or ()), data, out, say=typer.echo)


def emotion_table(
    recipes: Annotated[list[Path], typer.Argument(help="TOML files.", metavar="RECIPE...")],
    data: Data,
    out: Out,
    override: Annotated[list[str] | None, typer.Option("--set", help="key=value, for all recipes.")] = None,
) -> None:
    """Measure several recipes on the same people and write table.md. What lies in --out is not measured again."""
    from training.emotion.table import table

    typer.echo(table(recipes, data, out, override or (), say=typer.echo))
