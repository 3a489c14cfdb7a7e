"""`allo dump`: what can be made of recorded calls, and how they are removed.

Exit status: 0 done, 2 a call cannot be read, or may not be used so.
"""

import sqlite3
import time
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.errors import AlloError, DumpError
from pipelines.replay.dump import EVENTS, TRANSCRIPT, read_dump
from pipelines.replay.sealed import VARIABLE, Keys
from server.progress import CallsProgress

dump = typer.Typer(no_args_is_help=True, help="Recorded calls: other forms of them, and forgetting them.")

_STILL_S = 30.0  # after which nobody adds to a recording any more
_console = Console(stderr=True, highlight=False)


@dump.callback()
def _dump() -> None:
    """Recorded calls: other forms of them, and forgetting them."""


_ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", help="TOML file, for its recording.key; ALLO_RECORDING_KEY does too.", metavar="FILE"
    ),
]
_Dumps = Annotated[list[Path], typer.Argument(help="Calls' folders, or folders of such folders.")]


def _keys(path: Path | None) -> Keys:
    from server.config import load
    from server.recording_keys import keys_of

    return keys_of(load(path) if path is not None else None)


class Form(StrEnum):
    """What a call can be written as."""

    WAV = "wav"
    JSON = "json"
    SRT = "srt"
    VTT = "vtt"
    TEXTGRID = "textgrid"
    MANIFEST = "manifest"


@dump.command()
def export(
    dumps: _Dumps,
    to: Annotated[list[Form], typer.Option(help="What to write; may be given more than once.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.", metavar="DIR")],
    consent: Annotated[
        str,
        typer.Option(
            help="For a manifest, of calls that do not say so themselves: who says that callers agreed to training.",
            metavar="WHO",
        ),
    ] = "",
    redact: Annotated[
        bool,
        typer.Option("--redact", help="Without numbers and names, as far as they are found; their turns are muted."),
    ] = False,
    config: _ConfigFile = None,
) -> None:
    """Write recorded calls as sound (wav: caller left, agent right), JSON, subtitles (srt, vtt), a Praat TextGrid, or training data (manifest)."""
    from server.export import FORMS, Call, Manifest
    from server.replay_suite import folders_of

    try:
        keys, folders = _keys(config), folders_of(dumps)
        manifest = Manifest(output, consent.strip()) if Form.MANIFEST in to else None
        output.mkdir(parents=True, exist_ok=True)
        failed = clips = 0
        with CallsProgress(len(folders)) as progress:
            for folder in folders:
                progress.at(folder.name)
                try:
                    recorded = read_dump(folder, keys)
                except DumpError as error:  # one that is broken hides no other
                    failed += 1
                    _say(str(error))
                    continue
                if manifest is not None and not (recorded.meta.consent or consent.strip()):
                    raise DumpError(
                        f"{folder}: nothing says that this caller agreed to training. "
                        'Say who does, --consent "WHO", or set recording.training_consent before calls are recorded.'
                    )
                call = Call.of(folder.name, recorded, redact)
                for form in to:
                    if form in FORMS:
                        FORMS[form](call, output)
                clips += manifest.add(call) if manifest is not None else 0
        if manifest is not None:
            path = manifest.close()
            left = (
                f", {manifest.left_out} turns left out: their sound tells a number or a name"
                if manifest.left_out
                else ""
            )
            _say(f"{path}: {clips} clips{left}")
    except AlloError as error:
        _say(str(error))
        raise typer.Exit(2) from None
    except OSError as error:
        _say(f"{error.filename}: {error.strerror}")
        raise typer.Exit(2) from None
    if failed:
        raise typer.Exit(2)


@dump.command()
def forget(
    root: Annotated[Path, typer.Argument(help="The folder of recordings (recording.dir).", metavar="DIR")],
    number: Annotated[str, typer.Option(help="Every call from or to this number, however it is written.")] = "",
    call: Annotated[str, typer.Option(help="The call of this id, or the name of its folder.", metavar="ID")] = "",
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    config: _ConfigFile = None,
) -> None:
    """Remove recorded calls for good: recordings, analyses, and what the console's index says of them."""
    from server.console.archive import not_opened, remove, scan
    from server.console.entries import folder_of
    from server.console.index import Index

    if bool(number) == bool(call):
        raise typer.BadParameter("say which calls: --number or --call")
    if not root.is_dir():
        raise typer.BadParameter(f"{root} is no folder", param_hint="DIR")
    try:
        keys = _keys(config)
        index = Index(root, in_memory=bool(keys))
        unopened = scan(index, root, keys)
        if number and unopened:
            raise DumpError(not_opened(unopened))
        names = index.of_number(number) if number else index.of_call(call)
        if call and not names and folder_of(root, call):
            names = [call]
        _say(f"{len(names)} recorded call{'' if len(names) == 1 else 's'} in {root}")
        if names and (yes or typer.confirm("Remove for good?", err=True)):
            _say(f"{remove(index, root, names)} removed")
        index.close()
    except AlloError as error:
        _say(str(error))
        raise typer.Exit(2) from None
    except (OSError, sqlite3.Error) as error:
        _say(f"{root}: {error}")
        raise typer.Exit(2) from None


@dump.command()
def redact(dumps: _Dumps, config: _ConfigFile = None) -> None:
    """Take card numbers, spoken or keyed, out of recorded calls, for good. What was made of such a call before (an analysis, sound) is removed."""
    from server.observe.redaction import redact as clean

    _each(dumps, config, clean, "redacted")


@dump.command()
def seal(dumps: _Dumps, config: _ConfigFile = None) -> None:
    """Seal recorded calls with the first key, whatever they are sealed with now: afterwards an old key may be thrown away."""
    from server.observe.redaction import reseal

    try:
        if not _keys(config):
            raise DumpError(f"there is no key to seal with. Set recording.key or {VARIABLE}.")
    except AlloError as error:
        _say(str(error))
        raise typer.Exit(2) from None
    _each(dumps, config, reseal, "sealed")


def _each(dumps: list[Path], config: Path | None, change: Callable[[Path, Keys], bool], done: str) -> None:
    """Change recordings in their places, and say of which that was `done`."""
    from server.replay_suite import folders_of

    failed = 0
    try:
        keys, folders = _keys(config), folders_of(dumps)
        with CallsProgress(len(folders)) as progress:
            for folder in folders:
                progress.at(folder.name)
                try:
                    if _under_way(folder):
                        raise DumpError("it is being recorded. Try again when the call is over.")
                    if change(folder, keys):
                        _say(f"{folder}: {done}")
                except (DumpError, OSError) as error:
                    failed += 1
                    _say(f"{folder}: not {done}: {error}")
    except AlloError as error:
        _say(str(error))
        raise typer.Exit(2) from None
    if failed:
        raise typer.Exit(2)


def _under_way(folder: Path) -> bool:
    """Whether a server may be adding to it: it does so twice a second, until there is a transcript."""
    grows = folder / EVENTS if (folder / EVENTS).exists() else folder
    return not (folder / TRANSCRIPT).exists() and time.time() - grows.stat().st_mtime < _STILL_S


def _say(text: str) -> None:
    _console.print(text, markup=False, soft_wrap=True)
