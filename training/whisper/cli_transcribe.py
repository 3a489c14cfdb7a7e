"""`allo train transcribe`: a folder of recordings to text, and a table of the speed."""

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from training.whisper.transcribe import Hear, Throughput


class Engine(StrEnum):
    """What transcribes a folder."""

    ctranslate2 = "ctranslate2"
    transformers = "transformers"


def transcribe(
    folder: Annotated[Path, typer.Argument(help="Folder of recordings.", exists=True, file_okay=False)],
    *,
    model: Annotated[
        str, typer.Option(help="Folder, model of the store, or (transformers) hub repository.")
    ] = "whisper-base",
    engine: Annotated[list[Engine] | None, typer.Option(help="Give several to compare their speed.")] = None,
    language: Annotated[str, typer.Option(help="ISO 639-1; detected if not given.")] = "",
    batch: Annotated[list[int] | None, typer.Option(help="Clips at once; give several to compare.", min=1)] = None,
    beam: Annotated[int, typer.Option(help="Hypotheses (ctranslate2).", min=1)] = 1,
    threads: Annotated[int, typer.Option(help="Threads of the processor; 0: all (ctranslate2).", min=0)] = 0,
    out: Annotated[
        Path | None, typer.Option(help="JSON lines of what was heard; printed if not given.", dir_okay=False)
    ] = None,
) -> None:
    """Transcribe a folder in batches, and say how fast it went."""
    import tempfile

    import msgspec

    from training.whisper import transcribe as room
    from training.whisper.convert import served

    console = Console(stderr=True)

    def load(kind: Engine, made: Path) -> "Hear":
        if kind is Engine.transformers:
            return room.by_transformers(model, language=language or None)
        return room.by_ctranslate2(served(model, made), language=language or None, beam=beam, threads=threads)

    sounds = room.load_all(room.recordings(folder), lambda line: console.print(line, markup=False, soft_wrap=True))
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)  # before the work, not after
    speeds: list[Throughput] = []
    with tempfile.TemporaryDirectory(prefix="allo-whisper-") as made, console.status("loading") as status:
        for kind in engine or [Engine.ctranslate2]:
            hear = load(kind, Path(made))
            for size in batch or [16]:
                status.update(f"{kind}, batches of {size}")
                texts, speed = room.timed(kind, hear, sounds, size)
                speeds.append(speed)
    lines = [json.dumps({**msgspec.structs.asdict(text), "file": str(text.file)}, ensure_ascii=False) for text in texts]
    if out is not None:
        out.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    else:
        print("\n".join(lines))
    console.print(_table(speeds))


def _table(speeds: "list[Throughput]") -> Table:
    table = Table(title="Throughput; the loading of the model is left out")
    for column in ("engine", "batch", "files", "sound", "took", "sound a second", "real-time factor"):
        table.add_column(column, justify="right")
    for speed in speeds:
        table.add_row(
            speed.engine,
            str(speed.batch),
            str(speed.files),
            f"{speed.sound_s:.1f} s",
            f"{speed.took_s:.1f} s",
            f"{speed.speed:.1f} s",
            f"{speed.real_time_factor:.3f}",
        )
    return table
