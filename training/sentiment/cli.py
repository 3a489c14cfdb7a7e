"""`allo train sentiment`, `sentiment-table`, `sentiment-try`."""

from pathlib import Path
from typing import Annotated

import typer

from training.common.options import Data, Out, Overrides, Recipe


def sentiment(recipe: Recipe, data: Data, out: Out, overrides: Overrides = None) -> None:
    """Teach what sentences feel like, measured on sentences never taught, and export it for the server."""
    from training.common.recipe import load
    from training.sentiment.recipe import SentimentRecipe
    from training.sentiment.train import run

    run(load(recipe, SentimentRecipe, overrides or ()), data, out, say=typer.echo)


def sentiment_table(
    recipes: Annotated[list[Path], typer.Argument(help="TOML files.", metavar="RECIPE...")],
    data: Data,
    out: Out,
    override: Annotated[list[str] | None, typer.Option("--set", help="key=value, for all recipes.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="An exported model: measure it on synthesized speech instead.", metavar="DIR")
    ] = None,
    voice: Annotated[
        list[str] | None, typer.Option(help="LANGUAGE=VOICE, as in fr=pico, for --model (training/common/README.md).")
    ] = None,
    taught_by: Annotated[
        list[str] | None,
        typer.Option(
            help="LANGUAGE=VOICE, for --model: also measure the first recipe end to end, taught on these voices. --voice must be others."
        ),
    ] = None,
    stt: Annotated[str, typer.Option(help="Recogniser of the model store, for --model.")] = "whisper-base",
) -> None:
    """Measure several recipes on the same sentences, with less and less to learn from, and write table.md and pictures. What lies in --out
    is not measured again."""
    if model is None:
        from training.sentiment.table import table

        typer.echo(table(recipes, data, out, override or (), say=typer.echo))
        return
    from training.common.recipe import load
    from training.sentiment.data import divided
    from training.sentiment.recipe import SentimentRecipe
    from training.sentiment.spoken import spoken

    recipe = load(recipes[0], SentimentRecipe, override or ())
    parts = divided(recipe.data, data)
    measured_on = _voices(voice or ["en=pico", "fr=pico"])
    if taught_by:
        from pipelines.adapters.stt.whisper import Whisper
        from pipelines.models.store import Store
        from training.sentiment.heard import Ear, end_to_end

        ear = Ear(Whisper(Store().path(stt), threads=1), out, say=typer.echo)
        whole = end_to_end(recipe, parts, _voices(taught_by), measured_on, ear, out, say=typer.echo)
        for language, found in whole.items():
            typer.echo(
                f"{language}, end to end: {found['taught']} clips taught, {found['sentences']} sentences; right {100 * found['accuracy']:.1f} % "
                f"({100 * found['low']:.1f} to {100 * found['high']:.1f}), macro F1 {100 * found['macro_f1']:.1f}"
            )
    analyzer, recogniser = _opened(model), _recogniser(stt)
    for language, voices in measured_on.items():
        if voices:
            found = spoken(
                parts.tests[f"phone_{language}"], language, voices, recogniser, analyzer, out, say=typer.echo
            )
            low, high = found["heard_interval"]
            typer.echo(
                f"{language}, {', '.join(voices)}: {found['sentences']} sentences, words wrong {100 * found['word_errors']:.1f} %; right as written "
                f"{100 * found['written']:.1f} %, as heard {100 * found['heard']:.1f} % ({100 * low:.1f} to {100 * high:.1f}), "
                f"macro F1 {100 * found['heard_macro_f1']:.1f}"
            )


def sentiment_try(
    text: Annotated[str, typer.Argument(help="A sentence; with --audio it may be left out.")] = "",
    model: Annotated[
        Path | None, typer.Option(help="An exported folder; without it, the one that ships.", metavar="DIR")
    ] = None,
    language: Annotated[str, typer.Option(help="Of the text, and of the recording: ISO 639-1.")] = "en",
    audio: Annotated[
        Path | None, typer.Option("--audio", help="A recording, understood first.", metavar="FILE")
    ] = None,
    stt: Annotated[str, typer.Option(help="Recogniser of the model store, for --audio.")] = "whisper-base",
) -> None:
    """Say what a sentence or a recording feels like."""
    analyzer = _opened(model)
    if audio is not None:
        from training.common import audio as recordings
        from training.common import telephony

        heard = telephony.plain(recordings.load(audio))
        text = _recogniser(stt).transcribe(heard, languages=[language], final=True).text
        typer.echo(f'heard: "{text}"')
    if not text:
        raise typer.BadParameter("Give a text, or --audio FILE.")
    found = analyzer.analyze(text, language)
    typer.echo(f"{max(found, key=found.__getitem__)}: " + ", ".join(f"{label} {p:.2f}" for label, p in found.items()))


def _voices(given: list[str]) -> dict[str, list[str]]:
    """By language, of LANGUAGE=VOICE."""
    found: dict[str, list[str]] = {"en": [], "fr": []}
    for each in given:
        language, _, name = each.partition("=")
        if language not in found or not name:
            raise typer.BadParameter(f"{each}: write en=VOICE or fr=VOICE.")
        found[language].append(name)
    return found


def _opened(folder: Path | None):
    from pipelines.adapters import kinds
    from pipelines.models import exported
    from pipelines.models.store import Store

    if folder is None:
        return kinds.load("sentiment", "sentiment-linear", Store().path("sentiment-linear"))
    return kinds.load_added(exported.check(folder), folder)


def _recogniser(name: str):
    from pipelines.adapters import kinds
    from pipelines.models.store import Store

    return kinds.load("stt", "faster-whisper", Store().path(name), threads=1)
