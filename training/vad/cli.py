"""`allo train vad`, `vad-table`: which windows of a call hold speech."""

from pathlib import Path
from typing import Annotated

import typer

from training.ctc.cli import Data, Fresh, Out, Overrides, Quiet, Recipe


def vad(
    recipe: Recipe, data: Data, out: Out, overrides: Overrides = None, fresh: Fresh = False, quiet: Quiet = False
) -> None:
    """Train a voice activity net on mixtures whose speech is known, and export it for the server."""
    from pipelines.adapters.vad.silero import SileroVad
    from pipelines.models.store import Store
    from training.common.recipe import load
    from training.vad.recipe import VadRecipe
    from training.vad.train import run

    teacher = SileroVad(Store().path("silero-vad"))
    run(load(recipe, VadRecipe, overrides or ()), data, out, teacher, fresh=fresh, quiet=quiet, say=typer.echo)


def vad_table(
    recipe: Recipe,
    data: Data,
    model: Annotated[
        list[Path],
        typer.Option(help="Folder that `allo train vad` exported; again for another seed of it.", metavar="DIR"),
    ],
    overrides: Overrides = None,
    music: Annotated[
        Path | None, typer.Option(help="More music that neither has heard: a folder of recordings.", metavar="DIR")
    ] = None,
    picture: Annotated[Path | None, typer.Option(help="ROC curves: PNG, SVG or PDF.", metavar="FILE")] = None,
) -> None:
    """Compare it with Silero on speakers and noises it was not trained on."""
    from pipelines.adapters.vad.gru import GruVad
    from pipelines.adapters.vad.silero import SileroVad
    from pipelines.models.store import Store
    from training.common.recipe import load
    from training.vad.recipe import VadRecipe
    from training.vad.table import compare

    detectors = {"Silero": [SileroVad(Store().path("silero-vad"))], "ours": [GruVad(each) for each in model]}
    typer.echo(compare(load(recipe, VadRecipe, overrides or ()), data, detectors, music=music, picture=picture))
