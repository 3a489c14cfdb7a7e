"""`allo diarize`: who spoke when in a recording, as a table, JSON or RTTM."""

import json
from pathlib import Path
from typing import Annotated

import numpy as np
import soundfile
import typer
from rich.console import Console
from rich.table import Table

from pipelines.adapters import kinds
from pipelines.adapters.vad.silero import SileroVad
from pipelines.audio.resample import resample
from pipelines.errors import AlloError
from pipelines.models.ports import Audio
from pipelines.speakers.diarize import Turn, heard, offline, online, rttm, settings_of, speech_in
from pipelines.units import SAMPLE_RATE
from server.config import load

_MOST_MINUTES = 60  # clustering takes memory by the square of it


class RecordingError(AlloError):
    """A recording cannot be used; names it and the reason."""


def diarize(
    file: Annotated[Path, typer.Argument(help="A recording: WAV, FLAC, MP3, Ogg, at any rate.", metavar="FILE")],
    model: Annotated[str, typer.Option(help="A speaker encoder of the model store.")] = "speaker-ecapa",
    people: Annotated[int | None, typer.Option(help="How many speak, when that is known.", min=1)] = None,
    as_it_comes: Annotated[
        bool, typer.Option("--online", help="As it would be told while listening: nothing is changed later.")
    ] = False,
    channel: Annotated[int | None, typer.Option(help="Of several, from 0; without it, all are mixed.", min=0)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    as_rttm: Annotated[bool, typer.Option("--rttm", help="NIST's Rich Transcription Time Marked form.")] = False,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="TOML file, for its model store.", metavar="FILE")
    ] = None,
) -> None:
    """Print who spoke when in FILE. Speakers have numbers; of people who speak at once the loudest is told."""
    settings = load(config)
    store = settings.store()
    card = store.registry[model]
    audio = read(file, channel)
    encoder = kinds.load("speaker", card.kind, store.path(model))
    vad = SileroVad(store.path(settings.models.vad.model))
    how = settings_of(encoder)
    speech = speech_in(audio, vad)
    places, voices = heard(audio, encoder, speech, how)
    turns = online(places, voices, speech, how) if as_it_comes else offline(places, voices, speech, how, people)
    if as_rttm:
        typer.echo(rttm(turns, file.stem), nl=False)
    elif as_json:
        typer.echo(json.dumps(as_data(turns)))
    else:
        Console(highlight=False).print(as_table(turns))


def read(path: Path, channel: int | None) -> Audio:
    """float32 mono 16 kHz. Raises RecordingError."""
    try:
        samples, rate = soundfile.read(path, dtype="int16", always_2d=True)
    except (soundfile.SoundFileError, OSError) as error:
        raise RecordingError(f"{path} cannot be read as audio ({error}). Name a WAV, FLAC, MP3 or Ogg file.") from error
    if channel is not None and channel >= samples.shape[1]:
        raise RecordingError(f"{path} has no channel {channel}: its {samples.shape[1]} count from 0.")
    if not 0 < len(samples) <= _MOST_MINUTES * 60 * rate:
        minutes = len(samples) / rate / 60
        raise RecordingError(f"{path} lasts {minutes:.1f} minutes, not more than 0 and up to {_MOST_MINUTES}. Cut it.")
    mono = samples[:, channel] if channel is not None else np.rint(samples.mean(axis=1)).astype(np.int16)
    return resample(mono, rate, SAMPLE_RATE).astype(np.float32) / 32_768


def as_data(turns: list[Turn]) -> list[dict[str, float | int]]:
    """Seconds, to the millisecond."""
    return [{"start": round(t.start, 3), "end": round(t.end, 3), "speaker": t.speaker} for t in turns]


def as_table(turns: list[Turn]) -> Table:
    """A line a turn."""
    table = Table("from", "to", "speaker", box=None, header_style="dim")
    for turn in turns:
        table.add_row(f"{turn.start:7.2f}", f"{turn.end:7.2f}", str(turn.speaker + 1))
    return table
