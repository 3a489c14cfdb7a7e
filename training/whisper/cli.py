"""`allo train` for Whisper: fine-tune, measure contexts, convert, transcribe folders. torch is imported when a command runs."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

Data = Annotated[
    list[Path],
    typer.Option("--data", help="Folder with the recipe's manifests; may be given several times.", file_okay=False),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Models = Annotated[
    list[str],
    typer.Argument(
        help="Models for CTranslate2 or checkpoints: folders or names of the store; NAME=FOLDER names a row.",
    ),
]
Most = Annotated[int, typer.Option(help="Clips of a data set, at most.", min=1)]
Threads = Annotated[int, typer.Option(help="Threads of the processor.", min=1)]


class Precision(StrEnum):
    """Of the weights in a converted file."""

    int8 = "int8"
    int8_float16 = "int8_float16"
    int16 = "int16"
    float16 = "float16"
    float32 = "float32"


def whisper(
    recipe: Annotated[Path, typer.Argument(help="A recipe (TOML); see training/whisper/recipes.")],
    settings: Annotated[list[str] | None, typer.Argument(help="Other values, as train.steps=100.")] = None,
    *,
    data: Data,
    out: Annotated[Path, typer.Option(help="Folder for checkpoints, labels and the best model.")],
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in OUT.")] = False,
) -> None:
    """Fine-tune a Whisper; OUT/best is a checkpoint for `allo train convert-whisper`."""
    from training.common.recipe import load
    from training.whisper import train
    from training.whisper.settings import Recipe

    checked = load(recipe, Recipe, settings or ())
    console = Console(stderr=True)
    best = train.run(checked, data, out, resume=resume, say=console.print)
    console.print(f"best checkpoint: {best}")


def context_table(
    models: Models,
    *,
    manifest: Annotated[list[Path], typer.Option(help="Clips to hear, as OUT/aside.jsonl of a training.")],
    margin: Annotated[
        list[float] | None, typer.Option(help="Seconds of context behind an utterance; 30 is the full context.")
    ] = None,
    beam: Annotated[list[int] | None, typer.Option(help="Hypotheses; 1 is greedy.")] = None,
    most: Most = 1_000_000,
    wide_band: Annotated[
        bool, typer.Option("--wide-band", help="Hear the recordings as they are, not over the telephone.")
    ] = False,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Words lost and time saved by contexts shorter than 30 s, with and without the server's guards."""
    import tempfile

    import msgspec

    from training.common import manifests
    from training.whisper.convert import named
    from training.whisper.evaluate import MARGINS_S, context_table, grouped

    groups = grouped(manifests.read_all(manifest), most)
    total = len(models) * sum(map(len, groups.values()))
    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as made, listening(total) as tick:
        folders = named(models, Path(made))
        rows = context_table(
            folders,
            groups,
            margins_s=margin or MARGINS_S,
            beams=beam or (1, 5),
            threads=threads,
            plain_line=not wide_band,
            tick=tick,
        )
    if as_json:
        print(json.dumps(msgspec.to_builtins(rows)))
        return
    table = Table(title="Word error rate in %, with the bounds of 95 %; ms are medians")
    for column in (
        "model",
        "clips of",
        "context",
        "beam",
        "guards",
        "WER",
        "against 30 s",
        "encode",
        "decode",
        "run away",
        "again",
    ):
        table.add_column(column, justify="left" if column in ("model", "clips of") else "right")
    for row in sorted(rows, key=lambda row: (row.group, row.beam, row.guarded, -row.margin_s)):
        context = "30 s" if row.margin_s >= 30 else f"+ {row.margin_s:g} s"
        table.add_row(
            row.model,
            f"{row.group} ({row.clips})",
            context,
            str(row.beam),
            "yes" if row.guarded else "no",
            f"{100 * row.wer:.1f} ({in_percent(row.wer_bounds)})",
            f"{100 * row.loss:+.1f} ({in_percent(row.loss_bounds, '+')})",
            f"{row.encode_ms:.0f}",
            f"{row.decode_ms:.0f}",
            str(row.runaways),
            str(row.again),
        )
    show(table)


@contextmanager
def listening(total: int) -> Iterator[Callable[[], None]]:
    """Says on the terminal how many of `total` clips are heard; what is yielded is called after each."""
    heard = 0
    with Console(stderr=True).status("listening") as status:

        def tick() -> None:
            nonlocal heard
            heard += 1
            status.update(f"heard {heard} of {total} clips")

        yield tick


def show(table: Table) -> None:
    """Print it; where nobody looks, wide enough for its columns."""
    Console(width=None if Console().is_terminal else 150).print(table)


def in_percent(bounds: tuple[float, float], sign: str = "") -> str:
    """Bounds of a rate; `sign` "+" for those of a difference."""
    return " to ".join(f"{100 * bound:{sign}.1f}" for bound in bounds)


def convert_whisper(
    source: Annotated[str, typer.Argument(help="A checkpoint: folder, model of the store, or hub repository.")],
    folder: Annotated[Path, typer.Argument(help="Where the model for CTranslate2 goes.")],
    *,
    precision: Annotated[Precision, typer.Option(help="Of the weights in the file.")] = Precision.float16,
) -> None:
    """Convert a checkpoint for CTranslate2 and faster-whisper."""
    from training.whisper import checkpoint
    from training.whisper.convert import convert

    print(convert(checkpoint.load(source), folder, precision.value))


def parity(
    source: Annotated[str, typer.Argument(help="A checkpoint: folder, model of the store, or hub repository.")],
    *,
    manifest: Annotated[list[Path], typer.Option(help="Clips to hear.")],
    most: Most = 10,
    margin: Annotated[float, typer.Option(help="Seconds of context behind an utterance.")] = 30.0,
    threads: Threads = 2,
    as_json: Json = False,
) -> None:
    """Transcripts of a checkpoint before and after its conversion to each precision."""
    import msgspec

    from training.common import manifests
    from training.whisper import checkpoint, convert
    from training.whisper.evaluate import grouped

    clips = [clip for group in grouped(manifests.read_all(manifest), most).values() for clip in group]
    rows = convert.parity(checkpoint.load(source), clips, margin_s=margin, threads=threads)
    if as_json:
        print(json.dumps(msgspec.to_builtins(rows)))
        return
    table = Table(title=f"{len(clips)} clips, before and after the conversion")
    for column in ("weights", "MB", "same to the letter", "words changed", "WER", "WER before"):
        table.add_column(column, justify="right")
    for row in rows:
        table.add_row(
            row.precision,
            f"{row.megabytes:.0f}",
            f"{row.same} of {row.clips}",
            f"{100 * row.changed:.1f} %",
            f"{100 * row.wer:.1f}",
            f"{100 * row.source_wer:.1f}",
        )
    Console().print(table)


def export_whisper(
    source: Annotated[Path, typer.Argument(help="OUT of a training, with best/, recipe.json and its manifests.")],
    folder: Annotated[Path, typer.Argument(help="The exported model, for `allo models add`.")],
    *,
    name: Annotated[str, typer.Option(help="Name of the model.")],
    licence: Annotated[str, typer.Option(help="Of the weights: SPDX identifier, or words.")],
    data_licence: Annotated[str, typer.Option(help="Of the recordings.")],
    note: Annotated[str, typer.Option(help="What it is, in a line.")] = "Whisper, fine-tuned",
    precision: Annotated[Precision, typer.Option(help="Of the weights in the file.")] = Precision.float16,
    replace: Annotated[bool, typer.Option("--replace", help="An exported model that lies in FOLDER goes.")] = False,
) -> None:
    """Convert the best checkpoint of a training and export it as a model that the server verifies and loads."""
    from training.whisper.exports import export_training

    export_training(
        source,
        folder,
        name=name,
        licence=licence,
        data_licence=data_licence,
        note=note,
        precision=precision.value,
        replace=replace,
    )
    print(folder)


def whisper_changes(
    source: Annotated[
        Path, typer.Argument(help="OUT of a training with `lora`, with best/, recipe.json and its manifests.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where the changes, their card and the context that they need go.")],
    *,
    name: Annotated[str, typer.Option(help="Name of the model.")],
    licence: Annotated[str, typer.Option(help="Of the weights: SPDX identifier, or words.")],
    data_licence: Annotated[str, typer.Option(help="Of the recordings.")],
    note: Annotated[str, typer.Option(help="What it is, in a line.")] = "Whisper, fine-tuned",
) -> None:
    """Write what a training by low-rank matrices changed: a megabyte or two, to be added to the model that it started from."""
    from training.whisper.exports import CHANGES, export_changes

    count = export_changes(source, folder, name=name, licence=licence, data_licence=data_licence, note=note)
    print(f"{count} matrices, {(folder / CHANGES).stat().st_size / 1e6:.1f} MB: {folder}")
