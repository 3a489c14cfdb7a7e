"""`allo train denoise`, `denoise-table`: noise reduction."""

from pathlib import Path
from typing import Annotated

import typer

Recipe = Annotated[Path, typer.Argument(help="TOML file; training/denoise/recipes has some.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Set keys of the recipe, as in loop.steps=200.", metavar="key=value")
]
Data = Annotated[Path, typer.Option("--data", help="Folder that the manifests are in.", metavar="DIR")]
Out = Annotated[
    Path, typer.Option("--out", help="Folder that is written to; a run that lies there is gone on with.", metavar="DIR")
]


def denoise(
    recipe: Recipe,
    data: Data,
    out: Out,
    overrides: Overrides = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever lies in --out.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="An exported model that lies there goes.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train a denoiser on speech mixed with noise over the telephone, and export it for the server."""
    from training.common.recipe import load
    from training.denoise.recipe import DenoiseRecipe
    from training.denoise.train import run

    run(
        load(recipe, DenoiseRecipe, overrides or ()),
        data,
        out,
        fresh=fresh,
        replace=replace,
        quiet=quiet,
        say=typer.echo,
    )


def denoise_table(
    recipe: Annotated[Path, typer.Argument(help="TOML file; training/denoise/recipes/table.toml.", metavar="RECIPE")],
    data: Data,
    out: Out,
    overrides: Overrides = None,
    model: Annotated[
        list[Path] | None, typer.Option(help="A folder that `allo train denoise` exported; may be repeated.")
    ] = None,
    stt: Annotated[str, typer.Option(help="Recogniser of the model store that counts words.")] = "whisper-base",
    words: Annotated[int, typer.Option(help="Clips of each language it hears; 0: none.", min=0)] = 8,
) -> None:
    """Ours beside RNNoise, DTLN and DeepFilterNet on noisy telephone calls: quality, words, cost. Killed, it goes on."""
    from training.common.recipe import load
    from training.denoise.recipe import TableSettings
    from training.denoise.table import run

    settings = load(recipe, TableSettings, overrides or ())
    typer.echo(run(settings, data, out, model or [], stt=stt, words=words, say=typer.echo))
