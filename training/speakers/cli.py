"""`allo train speakers`, `speakers-table`, `diarization-table`: who speaks, and when."""

from pathlib import Path
from typing import Annotated

import typer

Recipe = Annotated[Path, typer.Argument(help="TOML file; training/speakers/recipes has one.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None, typer.Argument(help="Set keys of the recipe, as in loop.steps=200.", metavar="key=value")
]
Data = Annotated[Path, typer.Option("--data", help="Folder that the recipe's manifests are in.", metavar="DIR")]
Out = Annotated[
    Path, typer.Option("--out", help="Folder that is written to; a run that lies there is gone on with.", metavar="DIR")
]
Encoders = Annotated[
    list[str],
    typer.Option(
        "--encoder", help="KIND:DIR, as in ecapa:runs/speakers/speaker-ecapa; may be repeated.", metavar="KIND:DIR"
    ),
]
Output = Annotated[Path | None, typer.Option("--output", "-o", help="The figures as JSON.", metavar="FILE")]


def speakers(
    recipe: Recipe,
    data: Data,
    out: Out,
    overrides: Overrides = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Begin anew, whatever lies in --out.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress bars.")] = False,
) -> None:
    """Train a speaker encoder, measure it on people it has never heard, and export it for the server."""
    from training.common.recipe import load
    from training.speakers.recipe import SpeakersRecipe
    from training.speakers.train import run

    run(load(recipe, SpeakersRecipe, overrides or ()), data, out, fresh=fresh, quiet=quiet, say=typer.echo)


def speakers_table(
    recipe: Recipe, data: Data, encoder: Encoders, overrides: Overrides = None, output: Output = None
) -> None:
    """Compare speaker encoders on the recipe's test speakers: equal errors, detection costs, thresholds, processor time."""
    import json

    from training.common.recipe import load
    from training.speakers.data import divided, sounds
    from training.speakers.encoders import open_encoder
    from training.speakers.recipe import SpeakersRecipe
    from training.speakers.table import markdown, measure

    plan = load(recipe, SpeakersRecipe, overrides or ())
    parts, noises = divided(plan.data, data, typer.echo), sounds(plan.data.noises, data, 1)
    opened = {name: open_encoder(name) for name in encoder}
    rows = {name: measure(model.embed, parts, noises) for name, model in opened.items()}
    if output:
        output.write_text(json.dumps(rows, indent=2) + "\n")
    typer.echo(markdown(rows))


def diarization_table(
    manifest: Annotated[Path, typer.Argument(help="Recordings with `segments` of speakers.", metavar="MANIFEST")],
    encoder: Encoders,
    voices: Annotated[
        Path, typer.Option(help="Manifest of other people; thresholds are chosen on their clips.", metavar="MANIFEST")
    ],
    pyannote: Annotated[
        Path | None, typer.Option(help="Folder of pyannote.audio's pipeline, with its weights.", metavar="DIR")
    ] = None,
    output: Output = None,
) -> None:
    """Compare ways to tell who spoke when: diarization errors with overlapped speech, offline and as it comes."""
    from training.speakers.diarization import table

    typer.echo(table(manifest, voices, encoder, pyannote, output, typer.echo))
