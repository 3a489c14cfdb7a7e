"""`allo train data medical`: the sentences of the medical set, divided; `synthesize` has them spoken."""

from pathlib import Path
from typing import Annotated

import typer


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
