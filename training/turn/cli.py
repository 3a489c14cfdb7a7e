"""`allo train turn`, `turn-table`: is the caller done, or pausing?"""

from pathlib import Path
from typing import Annotated

import typer

from training.ctc.cli import Data, Fresh, Out, Overrides, Quiet, Recipe


def turn(
    recipe: Recipe, data: Data, out: Out, overrides: Overrides = None, fresh: Fresh = False, quiet: Quiet = False
) -> None:
    """Train an end-of-turn net on pauses inside utterances against their ends, and export it for the server."""
    from training.common.recipe import load
    from training.turn.recipe import TurnRecipe
    from training.turn.train import run

    run(load(recipe, TurnRecipe, overrides or ()), data, out, fresh=fresh, quiet=quiet, say=typer.echo)


def turn_table(
    recipe: Recipe,
    data: Data,
    model: Annotated[
        list[Path],
        typer.Option(help="Folder that `allo train turn` exported; again for another seed of it.", metavar="DIR"),
    ],
    overrides: Overrides = None,
    calls: Annotated[
        list[Path] | None,
        typer.Option(help="Recorded calls, one person a channel, beside those of the recipe.", metavar="FILE"),
    ] = None,
    limit: Annotated[int, typer.Option(help="Silences of one kind of each subset.", min=1)] = 300,
) -> None:
    """Compare it with smart-turn on speakers and kinds of speech that neither was trained on here."""
    from pipelines.adapters.turn.smart_turn import SmartTurn
    from pipelines.adapters.turn.tune import TuneTurn
    from pipelines.models.store import Store
    from training.common.recipe import load
    from training.turn.recipe import TurnRecipe
    from training.turn.table import compare

    detectors = {
        "smart-turn v3": [SmartTurn(Store().path("smart-turn-v3"))],
        "ours": [TuneTurn(each) for each in model],
    }
    typer.echo(compare(load(recipe, TurnRecipe, overrides or ()), data, detectors, calls=calls or [], limit=limit))
