"""`allo train wav2vec2`."""

from pathlib import Path
from typing import Annotated

import typer


def wav2vec2(
    recipe: Annotated[Path, typer.Argument(help="TOML file.", show_default=False)],
    settings: Annotated[
        list[str] | None,
        typer.Argument(help="key=value, in place of the recipe's: loop.steps=200.", show_default=False),
    ] = None,
    data: Annotated[Path, typer.Option(help="Folder that the recipe's manifests lie in.", metavar="DIR")] = Path(),
    out: Annotated[Path, typer.Option(help="Where the run and the exported model go.", metavar="DIR")] = Path(
        "runs/wav2vec2"
    ),
    fresh: Annotated[bool, typer.Option("--fresh", help="Start anew; else a run in --out goes on.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="In place of the model exported to --out before.")] = False,
) -> None:
    """Fine-tune wav2vec 2.0, HuBERT or another network that transformers loads for CTC, and export it for the server."""
    from training.common import recipe as recipes
    from training.wav2vec2.settings import Recipe
    from training.wav2vec2.train import train

    folder = train(
        recipes.load(recipe, Recipe, settings or []), data, out, say=typer.echo, fresh=fresh, replace=replace
    )
    typer.echo(f"Exported to {folder}. Bring it into the store: allo models add {folder}")
