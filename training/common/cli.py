"""`allo train data`: recordings into a manifest, checked, divided, or made by voices."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from training.common.importers import Found
    from training.common.manifests import Clip

data = typer.Typer(help="Recordings: import, check, split, synthesize.", no_args_is_help=True)


class Format(StrEnum):
    """What `import` reads."""

    FOLDER = "folder"
    CSV = "csv"
    LIBRISPEECH = "librispeech"
    COMMON_VOICE = "common-voice"
    HUGGING_FACE = "hugging-face"


class OnBad(StrEnum):
    """What is done about bad data."""

    STOP = "stop"
    SKIP = "skip"


Manifest = Annotated[Path, typer.Argument(help="manifest.jsonl, one clip a line.", metavar="MANIFEST")]
Into = Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.", metavar="DIR")]
Bad = Annotated[OnBad, typer.Option(help="Bad data: list it all and stop, or say it and go on without it.")]
Language = Annotated[str, typer.Option(help="ISO 639-1, of clips that do not say theirs.", metavar="CODE")]
Longest = Annotated[float, typer.Option(help="Longest clip, seconds.", min=0.1)]
Shortest = Annotated[float, typer.Option(help="Shortest clip, seconds.", min=0.0)]


@data.command("import")
def import_(
    form: Annotated[Format, typer.Argument(help="How the recordings come.", metavar="FORMAT")],
    source: Annotated[str, typer.Argument(help="The folder, the table, or the data set's name.", metavar="SOURCE")],
    output: Into,
    language: Language,
    speaker: Annotated[str, typer.Option(help="Who speaks, in clips that do not say it.")] = "",
    subset: Annotated[str, typer.Option(help="hugging-face: configuration of the data set.")] = "",
    split: Annotated[str, typer.Option(help="hugging-face: which of its splits.")] = "train",
    on_bad: Bad = OnBad.STOP,
    longest: Longest = 30.0,
    shortest: Shortest = 0.1,
) -> None:
    """Write DIR/manifest.jsonl of recordings that exist, each listened to once. FORMAT is one of:

    folder: NAME.wav with NAME.txt, or two folders audio/ and reports/. csv: columns audio and sentence.
    librispeech: its tree. common-voice: a TSV, or its folder. hugging-face: saved on disk, parquet files, or a name."""
    from training.common import huggingface, importers, manifests

    limits = manifests.Limits(min_s=shortest, max_s=longest)
    if form is Format.HUGGING_FACE:
        with _progress("reading") as (begin, _):
            found: Found = huggingface.read(source, output / "clips", subset=subset, split=split, counted=begin)
    else:
        found = importers.FORMATS[form](Path(source))
    with _progress("listening") as (begin, advance):
        begin(len(found[0]))
        clips, problems = importers.check(found, language=language, speaker=speaker, limits=limits, heard=advance)
    manifests.refuse([str(problem) for problem in problems], on_bad.value, _say)
    _write(output / "manifest.jsonl", clips)


@data.command()
def check(manifest: Manifest, longest: Longest = 30.0, shortest: Shortest = 0.1) -> None:
    """Listen to every clip of MANIFEST, and list everything that is wrong, by line."""
    from training.common import importers, manifests
    from training.common.errors import DataError

    limits = manifests.Limits(min_s=shortest, max_s=longest)
    clips, problems = manifests.read(manifest, limits)
    wrong = [str(problem) for problem in problems]
    with _progress("listening") as (begin, advance):
        begin(len(clips))
        for clip in clips:
            try:
                importers.listen(clip.audio, limits)
            except DataError as error:
                wrong.append(f"{manifest}: {error}")
            advance()
    manifests.refuse(wrong, "stop", _say)
    _say(_summary(clips))


@data.command()
def split(
    manifest: Manifest,
    seed: Annotated[int, typer.Option(help="Draws the speakers held aside.")] = 0,
    held_aside: Annotated[float, typer.Option(help="Share of the clips to test on.", min=0.0, max=1.0)] = 0.2,
    speaker: Annotated[list[str] | None, typer.Option(help="Hold aside this speaker instead; may be repeated.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="Beside MANIFEST, if not given.")] = None,
    on_bad: Bad = OnBad.STOP,
) -> None:
    """Write train.jsonl and test.jsonl: nobody speaks in both."""
    from training.common import manifests, splits

    clips = manifests.read_all([manifest], on_bad=on_bad.value, say=_say)
    train, test = splits.by_speaker(clips, speaker or held_aside, seed)
    for name, part in (("train", train), ("test", test)):
        _write((output or manifest.parent) / f"{name}.jsonl", part)


@data.command()
def synthesize(
    text: Annotated[Path, typer.Argument(help="Sentences: one a line, or JSON lines with text.", metavar="TEXT")],
    output: Into,
    language: Language,
    voice: Annotated[
        list[str], typer.Option(help="pico, kokoro:ff_siwis, piper:MODEL, espeak-ng ...; may be repeated.")
    ],
    manifest: Annotated[str, typer.Option(help="Name of the manifest in DIR.")] = "manifest.jsonl",
    on_bad: Bad = OnBad.SKIP,
    longest: Longest = 30.0,
    line: Annotated[
        bool, typer.Option("--line", help="Through a good telephone line, as recordings of 8 kHz are.")
    ] = False,
    trim: Annotated[
        float,
        typer.Option(
            help="Cut off the silence before and after, all that is this many dB below the loudest; 0 keeps it.",
            metavar="DB",
            min=0,
        ),
    ] = 0.0,
    threads: Annotated[int, typer.Option(help="CPU threads of a voice.", min=1)] = 1,
) -> None:
    """Have every voice speak every sentence, as 16 kHz FLAC below DIR, with a manifest. A run that was stopped goes on
    where it was when the command is given again."""
    from training.common import manifests, synthesis, voices

    texts = synthesis.read_texts(text)
    limits = manifests.Limits(max_s=longest)
    clips: list[Clip] = []
    problems: list[str] = []
    for name in voice:  # one at a time: fifty of them would not fit into memory
        speaker, spoken_by = voices.speaker_of(name), voices.open_voice(name, language, threads=threads)
        with _progress(speaker) as (begin, advance):
            begin(len(texts))
            made, wrong = synthesis.synthesize(
                texts,
                speaker,
                spoken_by,
                output,
                language=language,
                limits=limits,
                line=line,
                trim_db=trim,
                made=advance,
            )
        clips, problems = clips + made, problems + wrong
        if clips:
            manifests.write(output / manifest, clips)
    manifests.refuse(problems, on_bad.value, _say)
    _write(output / manifest, clips)


def _write(path: Path, clips: "list[Clip]") -> None:
    from training.common import manifests
    from training.common.errors import DataError

    if not clips:
        raise DataError(f"No usable clip: {path} is not written.")
    manifests.write(path, clips)
    _say(f"{path}: {_summary(clips)}")


def _summary(clips: "list[Clip]") -> str:
    minutes = sum(clip.duration for clip in clips) / 60
    speakers = {clip.speaker for clip in clips if clip.speaker}
    languages = ", ".join(sorted({clip.language for clip in clips if clip.language}))
    return f"{len(clips)} clips, {minutes:.1f} minutes, {len(speakers)} speakers, language {languages or 'unknown'}"


def _say(line: str) -> None:
    typer.echo(line, err=True)


@contextmanager
def _progress(doing: str) -> Iterator[tuple[Callable[[int], None], Callable[[], None]]]:
    """A bar on standard error, when that is a terminal: (say how many there are, say that one is done)."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bars:
        task = bars.add_task(doing, total=None)
        yield lambda total: bars.update(task, total=total), lambda: bars.advance(task)
