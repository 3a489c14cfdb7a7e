"""`allo train extract`, `extract-table`: one voice out of several."""

from pathlib import Path
from typing import Annotated

import typer

Recipe = Annotated[Path, typer.Argument(help="TOML file; training/extract/recipes has one.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Set keys of the recipe, as in loop.steps=200.", metavar="key=value")
]
Data = Annotated[Path, typer.Option("--data", help="Folder that the recipe's manifests are in.", metavar="DIR")]
Encoder = Annotated[
    str,
    typer.Option(
        help="Whose voices it follows: KIND:DIR, as in ecapa:runs/speakers/speaker-ecapa.", metavar="KIND:DIR"
    ),
]


def extract(
    recipe: Recipe,
    data: Data,
    encoder: Encoder,
    out: Annotated[
        Path,
        typer.Option("--out", help="Folder that is written to; a run that lies there is gone on with.", metavar="DIR"),
    ],
    overrides: Overrides = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever lies in --out.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train a net that keeps one voice of two, measure it on people it has never heard, and export it."""
    from training.common.recipe import load
    from training.extract.recipe import ExtractRecipe
    from training.extract.train import run
    from training.speakers.encoders import open_encoder

    plan = load(recipe, ExtractRecipe, overrides or ())
    run(plan, open_encoder(encoder), data, out, voices=encoder, fresh=fresh, quiet=quiet, say=typer.echo)


def extract_table(
    recipe: Recipe,
    data: Data,
    encoder: Encoder,
    model: Annotated[Path, typer.Option(help="A folder that `allo train extract` exported.", metavar="DIR")],
    recogniser: Annotated[str, typer.Option(help="A model of the store that writes down the words.")] = "whisper-base",
    mixtures: Annotated[int, typer.Option(help="How many.", min=2)] = 40,
    overrides: Overrides = None,
) -> None:
    """Word errors of the person who is followed: alone, in the mixture, and extracted from it; and SI-SDR."""
    from training.common.recipe import load
    from training.extract.recipe import ExtractRecipe
    from training.extract.words import table
    from training.speakers.encoders import open_encoder

    plan = load(recipe, ExtractRecipe, overrides or ())
    typer.echo(table(plan, open_encoder(encoder), model, recogniser, data, mixtures))
