"""`allo voices`: the people whose voices are enrolled.

What is enrolled is personal data, by which somebody can be recognised: ask the person first. Exit status of `verify`: 0 somebody is known, 1 nobody.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pipelines.analysis.speakers import CALLER, OTHER
from pipelines.errors import AlloError
from pipelines.models.ports import Audio, SpeakerEncoder
from pipelines.replay.dump import META, read_dump
from pipelines.speakers.diarize import heard, offline, settings_of, speech_in
from pipelines.speakers.enrolment import Person, enrol, joined, mean, pieces, verify
from pipelines.speakers.speech import Span, cut
from server.cli_diarize import read
from server.config import Config, load
from server.engines import load_model, load_vad
from server.observe.listen import caller_audio
from server.recording_keys import keys_of
from server.settings import known_from
from server.voice_book import Entry, VoiceBook, open_book

_ALONE = 0.8  # of the speech must be one voice's
_LONGEST_NAME = 80

voices = typer.Typer(
    help="The people whose voices are enrolled. Ask them first: it is personal data.", no_args_is_help=True
)

_ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file, for its speaker model and voice book.", metavar="FILE"),
]
_Sources = Annotated[
    list[Path],
    typer.Argument(
        help="Calls' folders (the caller is enrolled), or recordings of the person alone.", metavar="SOURCE..."
    ),
]


class VoicesError(AlloError):
    """What was given cannot be enrolled; names it and the mend."""


@voices.command("enroll")
def enroll(
    name: Annotated[str, typer.Argument(help="What the agent is told of who it is.")],
    sources: _Sources,
    number: Annotated[
        list[str] | None,
        typer.Option(
            help="He calls from it, and is looked for in calls from there alone. May be repeated.", metavar="NUMBER"
        ),
    ] = None,
    alone: Annotated[
        bool, typer.Option("--alone", help="One person speaks in each SOURCE, whatever it sounds like.")
    ] = False,
    plain_numbers: Annotated[bool, typer.Option("--plain-numbers", help="Keep numbers readable, not hashed.")] = False,
    config: _ConfigFile = None,
) -> None:
    """Enrol NAME, from three seconds of speech and better from several calls; somebody who is there already is known better."""
    if not name.isprintable() or not 0 < len(name.strip()) <= _LONGEST_NAME:
        raise VoicesError(f"a name is up to {_LONGEST_NAME} letters on one line. Write it so.")
    if name.strip().startswith(OTHER) or name.strip() in (CALLER, "agent"):
        raise VoicesError(f"{name.strip()!r} is what people without a name are called. Take another.")
    settings = load(config)
    ear = _Ear(settings)
    speech = [ear.speech(source) if alone else ear.one_voice(source, least=_ALONE) for source in sources]
    people = [enrol(name.strip(), ear.encoder, sound, model=ear.model) for sound in speech]
    person = people[0]
    for another in people[1:]:
        person = joined(person, another)
    entry = _book(settings).enrol(person, number or (), plain=plain_numbers)
    typer.echo(f"{entry.person.name}: {entry.person.seconds:.1f} s of {entry.person.calls} call(s)")


@voices.command("list")
def list_(
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False, config: _ConfigFile = None
) -> None:
    """Print who is enrolled."""
    book = _book(load(config))
    rows = [_row(entry) for entry in book.entries()]
    if as_json:
        typer.echo(json.dumps(rows))
        return
    table = Table("name", "seconds", "calls", "numbers", "model", box=None, header_style="dim")
    for row in rows:
        table.add_row(*(str(row[key]) for key in ("name", "seconds", "calls", "numbers", "model")))
    Console(highlight=False, markup=False).print(table)


@voices.command("forget")
def forget(name: Annotated[str, typer.Argument(help="As `list` has it.")], config: _ConfigFile = None) -> None:
    """Remove NAME and all that is kept of him."""
    _book(load(config)).forget(name)
    typer.echo(f"{name} is forgotten")


@voices.command("verify")
def verify_(
    source: Annotated[Path, typer.Argument(help="A call's folder, or a recording.", metavar="SOURCE")],
    as_json: Annotated[bool, typer.Option("--json", help="For machines.")] = False,
    config: _ConfigFile = None,
) -> None:
    """Print how like each enrolled person SOURCE's voice is. It is no proof of who it is."""
    settings = load(config)
    ear = _Ear(settings)
    people = [entry.person for entry in _book(settings).entries() if entry.person.encoder == ear.model]
    voice = mean(ear.encoder.embed(piece) for piece in pieces(ear.one_voice(source)))
    threshold = known_from(settings.models.speaker, ear.encoder)
    found = sorted((verify(person, voice, threshold) for person in people), key=lambda one: -one.score)
    if as_json:
        told = [{"name": v.name, "score": round(v.score, 3), "threshold": threshold, "known": v.known} for v in found]
        typer.echo(json.dumps(told))
    else:
        table = Table("name", "score", "known", box=None, header_style="dim")
        for one in found:
            table.add_row(one.name, f"{one.score:.2f}", f"from {threshold:.2f}: {'yes' if one.known else 'no'}")
        Console(highlight=False, markup=False).print(table)
    raise typer.Exit(0 if any(one.known for one in found) else 1)


class _Ear:
    """The models that tell a voice."""

    def __init__(self, settings: Config) -> None:
        self.model = settings.models.speaker.model
        if self.model == "none":
            raise VoicesError("models.speaker.model is none: nothing tells voices apart. Name a model.")
        store = settings.store()
        self.encoder: SpeakerEncoder = load_model(store, self.model)
        self._vad = load_vad(store, settings)
        self._keys = keys_of(settings)

    def speech(self, source: Path) -> Audio:
        """The speech in a recording, or of a recorded call's caller, without pauses."""
        audio, spans = self._heard(source)
        return _cut(audio, spans)

    def one_voice(self, source: Path, *, least: float = 0.0) -> Audio:
        """Of that, what is said by whoever says most. Raises VoicesError when that is a smaller share than `least`, or nothing."""
        audio, spans = self._heard(source)
        how = settings_of(self.encoder)
        places, found = heard(audio, self.encoder, spans, how)
        turns = offline(places, found, spans, how)
        if not turns:
            raise VoicesError(f"{source}: nobody speaks in it. Name another.")
        seconds: dict[int, float] = {}
        for turn in turns:
            seconds[turn.speaker] = seconds.get(turn.speaker, 0.0) + turn.end - turn.start
        most = max(seconds, key=lambda speaker: seconds[speaker])
        if seconds[most] < least * sum(seconds.values()):
            raise VoicesError(
                f"{source}: {len(seconds)} people seem to speak. Cut it to the one who is meant, or say --alone if it is one."
            )
        return _cut(audio, [(turn.start, turn.end) for turn in turns if turn.speaker == most])

    def _heard(self, source: Path) -> tuple[Audio, list[Span]]:
        audio = caller_audio(read_dump(source, self._keys)) if (source / META).exists() else read(source, None)
        return audio, speech_in(audio, self._vad)


def _cut(audio: Audio, spans: Sequence[Span]) -> Audio:
    return np.concatenate([np.zeros(0, np.float32), *(cut(audio, span) for span in spans)])


def _book(settings: Config) -> VoiceBook:
    return open_book(settings.models.speaker.book)


def _row(entry: Entry) -> dict[str, Any]:
    person: Person = entry.person
    return {
        "name": person.name,
        "seconds": round(person.seconds, 1),
        "calls": person.calls,
        "numbers": _shown(entry.numbers),
        "model": person.encoder,
    }


def _shown(numbers: Sequence[str]) -> list[str]:
    return ["hashed" if number.startswith("scrypt:") else number for number in numbers]
