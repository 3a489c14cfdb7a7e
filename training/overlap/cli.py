"""`allo train overlap-speak`, `overlap`, `overlap-table`: does he interrupt, or murmur?"""

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from training.common.options import Data, Out, Overrides, Recipe
from training.ctc.cli import Fresh, Quiet

Said = Annotated[Path, typer.Option("--said", help="Folder that `overlap-speak` left.", metavar="DIR")]


def overlap_speak(
    recipe: Recipe,
    out: Out,
    overrides: Overrides = None,
    kokoro: Annotated[
        Path | None,
        typer.Option(help="Folder with Kokoro's model and its voices, of which the store has two.", metavar="DIR"),
    ] = None,
) -> None:
    """Let the recipe's voices say interruptions and murmurs. A run that was stopped goes on where it was."""
    from training.common.recipe import load
    from training.overlap.recipe import OverlapRecipe
    from training.overlap.speak import speak

    voices = load(recipe, OverlapRecipe, overrides or ()).voices
    speak(voices, ("train", "validation", "test"), out, kokoro, typer.echo)


def overlap(
    recipe: Recipe,
    data: Data,
    said: Said,
    out: Out,
    overrides: Overrides = None,
    fresh: Fresh = False,
    quiet: Quiet = False,
) -> None:
    """Train a net that hears the beginning of an interruption, and export it for the server."""
    from pipelines.adapters.overlap.whisper import states_of
    from pipelines.adapters.stt.whisper import Whisper
    from pipelines.adapters.vad.silero import SileroVad
    from pipelines.models.store import Store
    from training.common.recipe import load
    from training.overlap.recipe import OverlapRecipe
    from training.overlap.train import run

    store, settings = Store(), load(recipe, OverlapRecipe, overrides or ())
    vad, encoder = SileroVad(store.path("silero-vad")), Whisper(store.path(settings.encoder), threads=1)
    run(settings, data, said, out, vad, partial(states_of, encoder), fresh=fresh, quiet=quiet, say=typer.echo)


def overlap_table(
    recipe: Recipe,
    data: Data,
    said: Said,
    model: Annotated[Path, typer.Option(help="Folder that `allo train overlap` exported.", metavar="DIR")],
    overrides: Overrides = None,
    looks: Annotated[
        int,
        typer.Option(help="Sounds of each kind over which the recogniser's words are looked at too; 0: none.", min=0),
    ] = 60,
    look_ms: Annotated[int, typer.Option(help="How long it takes for a look.", min=1)] = 120,
) -> None:
    """How soon interruptions are noticed by voices and people that were not trained on, beside what words alone achieve."""
    from pipelines.adapters.overlap.whisper import WhisperOverlap
    from pipelines.adapters.vad.silero import SileroVad
    from pipelines.models.store import Store
    from training.common.recipe import load
    from training.overlap.recipe import OverlapRecipe
    from training.overlap.table import compare

    store = Store()
    stt = None
    if looks:
        from pipelines.adapters.stt.faster_whisper import FasterWhisper

        stt = FasterWhisper(store.path("whisper-base"), threads=1)
    settings = load(recipe, OverlapRecipe, overrides or ())
    vad = SileroVad(store.path("silero-vad"))
    detector = WhisperOverlap(model, store.path(settings.encoder))
    typer.echo(compare(settings, data, said, detector, vad, stt, looks=looks, look_ms=look_ms))
