"""`allo train ctc`, `align`, `compare`, `growth`, `unseen`, `tune`: recognisers from scratch."""

from pathlib import Path
from typing import Annotated

import typer

Recipe = Annotated[Path, typer.Argument(help="TOML file; training/ctc/recipes has some.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Set keys of the recipe, as in loop.steps=200.", metavar="key=value")
]
Data = Annotated[Path, typer.Option("--data", help="Folder that the recipe's manifests are in.", metavar="DIR")]
Out = Annotated[
    Path, typer.Option("--out", help="Folder that is written to; a run that lies there is gone on with.", metavar="DIR")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever lies in --out.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")]
Workers = Annotated[int, typer.Option(help="Processes, each with one thread.", min=1)]


def ctc(
    recipe: Recipe, data: Data, out: Out, overrides: Overrides = None, fresh: Fresh = False, quiet: Quiet = False
) -> None:
    """Train one net from scratch with CTC, measure it on speakers it has never heard, and export it for the server."""
    from training.common.recipe import load
    from training.ctc.recipe import CtcRecipe
    from training.ctc.train import run

    run(load(recipe, CtcRecipe, overrides or ()), data, out, fresh=fresh, quiet=quiet, say=typer.echo)


def pretrain(
    recipe: Recipe, data: Data, out: Out, overrides: Overrides = None, fresh: Fresh = False, quiet: Quiet = False
) -> None:
    """Teach a net to hear as a large model does, by speech without text; `start` of a recipe goes on from there."""
    from training.common.recipe import load
    from training.ctc.pretrain import Pretraining
    from training.ctc.pretrain import pretrain as run

    typer.echo(run(load(recipe, Pretraining, overrides or ()), data, out, fresh=fresh, quiet=quiet, say=typer.echo))


def compare(
    recipe: Recipe,
    data: Data,
    out: Out,
    overrides: Overrides = None,
    workers: Workers = 2,
    quick: Annotated[
        bool, typer.Option("--quick", help="A few minutes, to see that all of it works; its rates mean nothing.")
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train all inputs x nets under one budget, each speaker unseen in turn, and write a report. Killed, it goes on."""
    from training.common.recipe import load
    from training.ctc.compare import QUICK
    from training.ctc.compare import compare as run
    from training.ctc.comparison import Comparison

    plan = load(recipe, Comparison, [*(QUICK if quick else ()), *(overrides or ())])
    typer.echo(run(plan, data, out, workers=workers, quiet=quiet, say=typer.echo))


def unseen(
    recipe: Recipe,
    data: Data,
    out: Out,
    overrides: Overrides = None,
    speaker: Annotated[
        list[str] | None, typer.Option(help="Leave out this one; may be given again. All in turn without it.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Trainings of each turn.", min=1)] = 1,
) -> None:
    """Train a recipe of `allo train ctc` with each of its speakers left out in turn, and measure on him. Killed, it goes on."""
    from training.common.recipe import load
    from training.ctc.recipe import CtcRecipe
    from training.ctc.unseen import unseen as run

    found = load(recipe, CtcRecipe, overrides or ())
    typer.echo(run(found, data, out, speakers=speaker or (), seeds=seeds, say=typer.echo))


def tune(
    recipe: Recipe,
    data: Data,
    out: Out,
    overrides: Overrides = None,
    workers: Workers = 2,
    ray: Annotated[
        str | None, typer.Option(help="Address of a Ray cluster; local starts one.", metavar="ADDRESS")
    ] = None,
) -> None:
    """Search for better values of a recipe: grid, random, TPE, Hyperopt. Killed, it goes on. Writes the best as a recipe."""
    from training.ctc.tune import read
    from training.ctc.tune import tune as run

    tuning, base = read(recipe, overrides or [])
    if ray:
        from training.ctc.ray_tune import tune_by_ray

        tune_by_ray(tuning, base, data, out, ray, say=typer.echo)
    else:
        run(tuning, base, data, out, workers=workers, say=typer.echo)


def growth(recipe: Recipe, data: Data, out: Out, overrides: Overrides = None, quiet: Quiet = False) -> None:
    """Train recipes on growing parts of their data, listening to unseen speakers as they learn. Killed, it goes on."""
    from training.ctc.growth import grow, read

    plan, recipes = read(recipe, overrides or [])
    typer.echo(grow(plan, recipes, data, out, quiet=quiet, say=typer.echo))


def align(
    clip: Annotated[Path, typer.Argument(help="A recording, of any rate and format.", metavar="CLIP")],
    model: Annotated[str, typer.Option(help="A folder that `allo train ctc` exported, or a name in the model store.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The picture: PNG, SVG or PDF.", metavar="FILE")],
    text: Annotated[str | None, typer.Option(help="What is said; without it, what the model understands.")] = None,
) -> None:
    """Draw what a CTC model said at each frame of CLIP and where it heard each character, and tell it in words."""
    from pipelines.models.store import Store
    from training.ctc.align import align as run

    folder = Path(model) if Path(model).is_dir() else Store().path(model)
    typer.echo(run(clip, folder, output, text))
