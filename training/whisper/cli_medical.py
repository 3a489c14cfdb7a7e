"""The words of a trade: `allo train data medical` divides sentences (`synthesize` has them spoken), and `allo train terms-table`
measures models on dictations."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from training.whisper.cli import Json, Models, Most, Threads, in_percent, listening, show

if TYPE_CHECKING:
    from training.whisper.terms_table import Row


def medical(
    questions: Annotated[Path, typer.Argument(help="Questions with answers, JSON lines.", metavar="QUESTIONS")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.", metavar="DIR")],
    train: Annotated[int, typer.Option(help="Sentences to train on.", min=1)] = 400,
    test: Annotated[int, typer.Option(help="Sentences to test on.", min=1)] = 144,
    untaught: Annotated[int, typer.Option(help="How many of those have a term that is not taught.", min=0)] = 24,
    seed: Annotated[int, typer.Option(help="Draws the sentences.")] = 0,
) -> None:
    """Write train_sentences.jsonl and test_sentences.jsonl, French sentences of pharmacy with their terms."""
    from training.whisper.medical import prepare

    prepare(questions, output, train=train, test=test, untaught=untaught, seed=seed)
    typer.echo(f"{output}: {train} sentences to train on, {test} to test on.", err=True)


def terms_table(
    models: Models,
    *,
    manifest: Annotated[list[Path], typer.Option(help="Dictations that hold terms, of nobody trained on.")],
    taught: Annotated[
        list[Path] | None,
        typer.Option(help="What the models were trained on, as OUT/train.jsonl: its terms are told apart."),
    ] = None,
    also: Annotated[
        list[str] | None,
        typer.Option(help="Other speech, to see what was forgotten: a manifest; NAME=MANIFEST names its rows."),
    ] = None,
    beam: Annotated[
        list[int] | None, typer.Option(help="Hypotheses; 1 is greedy. 1 and 5 if not given.", min=1)
    ] = None,
    margin: Annotated[
        float, typer.Option(help="Seconds of context behind an utterance; 30 is the full context.", min=0.0, max=30.0)
    ] = 8.0,
    most: Most = 1_000_000,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Terms missed and words wrong, of several models on the same clips; the first is what the others are measured against."""
    import tempfile

    import msgspec

    from training.common import manifests
    from training.whisper.convert import named
    from training.whisper.evaluate import spread
    from training.whisper.terms_table import terms_table

    test = spread(manifests.read_all(manifest), most)
    known = manifests.read_all(taught) if taught else []
    others = {name: spread(manifests.read_all([path]), most) for name, path in map(_also, also or ())}
    total = len(models) * sum(map(len, (test, *others.values())))
    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as made, listening(total) as tick:
        folders = named(models, Path(made))
        rows = terms_table(
            folders, test, taught=known, also=others, beams=beam or (1, 5), margin_s=margin, threads=threads, tick=tick
        )
    if as_json:
        print(json.dumps(msgspec.to_builtins(rows)))
    else:
        show(_terms_table(rows, next(iter(folders))))


def _also(written: str) -> tuple[str, Path]:
    """NAME=MANIFEST, or a manifest, which is called by its folder when the file is only called manifest."""
    name, equals, path = written.partition("=")
    if equals:
        return name, Path(path)
    file = Path(name)
    return file.resolve().parent.name if file.stem == "manifest" else file.stem, file


def _terms_table(rows: "list[Row]", first: str) -> Table:
    table = Table(title="Wrong or missed in %, with the bounds of 95 %")
    for column in ("of", "beam", "model", "clips", "wrong", "rate", f"against {first}", "gain"):
        table.add_column(column, justify="left" if column in ("of", "model") else "right")
    previous: tuple[str, int] | None = None
    for row in rows:
        if previous not in (None, (row.of, row.beam)):
            table.add_section()
        previous = row.of, row.beam
        difference = row.against
        table.add_row(
            row.of,
            str(row.beam),
            row.model,
            str(row.clips),
            f"{row.errors} of {row.total}",
            f"{100 * row.rate:.1f} ({in_percent(row.bounds)})",
            "" if difference is None else f"{100 * difference.rate:+.1f} ({in_percent(difference.bounds, '+')})",
            "" if difference is None or difference.gain is None else f"{100 * difference.gain:.0f} %",
        )
    return table
