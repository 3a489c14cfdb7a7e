"""`allo dump`: what can be made of recorded calls, and how they are removed.

Exit status: 0 done, 2 a call cannot be read, or may not be used so.
"""

import sqlite3
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.errors import AlloError, DumpError
from pipelines.replay.dump import read_dump
from server.progress import CallsProgress

dump = typer.Typer(no_args_is_help=True, help="Recorded calls: other forms of them, and forgetting them.")

_console = Console(stderr=True, highlight=False)


@dump.callback()
def _dump() -> None:
    """Recorded calls: other forms of them, and forgetting them."""


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
    dumps: Annotated[list[Path], typer.Argument(help="Calls' folders, or folders of such folders.")],
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
) -> None:
    """Write recorded calls as sound (wav: caller left, agent right), JSON, subtitles (srt, vtt), a Praat TextGrid, or training data (manifest)."""
    from server.export import FORMS, Call, Manifest
    from server.replay_suite import folders_of

    try:
        folders = folders_of(dumps)
        manifest = Manifest(output, consent.strip()) if Form.MANIFEST in to else None
        output.mkdir(parents=True, exist_ok=True)
        failed = clips = 0
        with CallsProgress(len(folders)) as progress:
            for folder in folders:
                progress.at(folder.name)
                try:
                    recorded = read_dump(folder)
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
) -> None:
    """Remove recorded calls for good: recordings, analyses, and what the console's index says of them."""
    from server.console.archive import remove, scan
    from server.console.index import Index

    if bool(number) == bool(call):
        raise typer.BadParameter("say which calls: --number or --call")
    if not root.is_dir():
        raise typer.BadParameter(f"{root} is no folder", param_hint="DIR")
    try:
        index = Index(root)
        scan(index, root)
        names = index.of_number(number) if number else index.of_call(call)
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
def redact(
    dumps: Annotated[list[Path], typer.Argument(help="Calls' folders, or folders of such folders.")],
) -> None:
    """Take card numbers, spoken or keyed, out of recorded calls, for good. What was made of such a call before (an analysis, sound) is removed."""
    from server.observe.redaction import redact as clean
    from server.replay_suite import folders_of

    failed = 0
    try:
        folders = folders_of(dumps)
        with CallsProgress(len(folders)) as progress:
            for folder in folders:
                progress.at(folder.name)
                try:
                    if clean(folder):
                        _say(f"{folder}: redacted")
                except (DumpError, OSError) as error:
                    failed += 1
                    _say(f"{folder}: not redacted: {error}")
    except AlloError as error:
        _say(str(error))
        raise typer.Exit(2) from None
    if failed:
        raise typer.Exit(2)


def _say(text: str) -> None:
    _console.print(text, markup=False, soft_wrap=True)
