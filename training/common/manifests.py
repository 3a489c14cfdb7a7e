"""Manifests: which recordings there are, and what is said in them. One JSON object a line.

    {"audio": "clips/1.flac", "text": "Bonjour.", "language": "fr", "speaker": "anne", "duration": 1.2}

`audio` is relative to the manifest's folder; `duration` is in seconds, and is looked up in the file if it is not given. A line with
`"verbatim": false` (its text is not what is said, word for word) and one without a text are left out unless asked for. Other
fields are kept out of the way: they belong to whoever wrote them.
"""

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import msgspec
import soundfile

from training.common.errors import DataError

OnBad = Literal["stop", "skip"]
"""What to do about bad data: stop before anything is trained, or go on without it."""

_SHOWN = 20  # problems said in one error


class Clip(msgspec.Struct, frozen=True, kw_only=True):
    """A recording and its words. `duration`: seconds; `language`: ISO 639-1; `text`: "" if nobody wrote it down."""

    audio: Path
    text: str
    language: str
    speaker: str
    duration: float


class Problem(msgspec.Struct, frozen=True):
    """What is wrong with a line of a file."""

    file: Path
    line: int
    reason: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.reason}"


class Limits(msgspec.Struct, frozen=True):
    """Seconds that a clip may last, and whether it must have a text."""

    min_s: float = 0.1
    max_s: float = 30.0
    text: bool = True


LIMITS = Limits()


class _Line(msgspec.Struct):
    audio: str
    text: str | None = None
    language: str | None = None
    speaker: str | None = None
    duration: float | None = None
    verbatim: bool = True


def read(path: Path, limits: Limits = LIMITS) -> tuple[list[Clip], list[Problem]]:
    """The sound lines of a manifest, and what is wrong with the others. Raises DataError only if there is no such file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}). Give a manifest, one JSON object a line.") from error
    clips, problems = [], []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            clip = _clip(path.parent, line, limits)
        except (msgspec.DecodeError, DataError) as error:
            problems.append(Problem(path, number, str(error)))
            continue
        if clip is not None:
            clips.append(clip)
    return clips, problems


def _clip(folder: Path, text: str, limits: Limits) -> Clip | None:
    line = msgspec.json.decode(text, type=_Line)
    if limits.text and (line.text is None or not line.verbatim):
        return None
    if limits.text and not (line.text or "").strip():
        raise DataError(f"{line.audio}: the text is empty.")
    audio = (folder / line.audio).resolve()
    if not audio.is_file():
        raise DataError(f"{line.audio}: there is no such file.")
    if not audio.stat().st_size:
        raise DataError(f"{line.audio}: the file is empty.")
    seconds = line.duration if line.duration is not None else _seconds(audio)
    if seconds < limits.min_s:
        raise DataError(f"{line.audio}: lasts {seconds:.2f} s, less than {limits.min_s:g} s.")
    if seconds > limits.max_s:
        raise DataError(f"{line.audio}: lasts {seconds:.1f} s, more than the limit of {limits.max_s:g} s.")
    return Clip(
        audio=audio,
        text=(line.text or "").strip(),
        language=line.language or "",
        speaker=line.speaker or "",
        duration=seconds,
    )


def _seconds(path: Path) -> float:
    try:
        return soundfile.info(path).duration
    except soundfile.SoundFileError as error:
        raise DataError(f"{path.name}: cannot be read as audio ({error}).") from error


def read_all(
    paths: Iterable[Path],
    limits: Limits = LIMITS,
    *,
    on_bad: OnBad = "stop",
    say: Callable[[str], None] = lambda _: None,
) -> list[Clip]:
    """The clips of several manifests. With "stop", raises one DataError that lists every problem of all of them; with
    "skip", each is told to `say`. No clip at all is a DataError either way."""
    paths = list(paths)
    clips: list[Clip] = []
    problems: list[Problem] = []
    for path in paths:
        found, wrong = read(path, limits)
        clips += found
        problems += wrong
    refuse([str(problem) for problem in problems], on_bad, say)
    if not clips:
        raise DataError(f"No usable clip in {', '.join(map(str, paths))}.")
    return clips


def refuse(problems: Sequence[str], on_bad: OnBad, say: Callable[[str], None]) -> None:
    """Bad data was found: stop for all of it at once (DataError), or say it and go on."""
    if not problems:
        return
    if on_bad == "stop":
        shown = [f"  {problem}" for problem in problems[:_SHOWN]]
        more = [f"  and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise DataError("\n".join([f'{count} in the data (on_bad = "skip" goes on without them)', *shown, *more]))
    for problem in problems:
        say(f"left out: {problem}")


def write(path: Path, clips: Iterable[Clip], **more: Any) -> None:
    """A manifest of `clips`, replaced as a whole; audio is named relative to it. `more`: fields that every line gets."""
    path.parent.mkdir(parents=True, exist_ok=True)
    folder = path.parent.resolve()
    lines = []
    for clip in clips:
        audio = Path(os.path.relpath(clip.audio.resolve(), folder)).as_posix()
        line = {**msgspec.structs.asdict(clip), "audio": audio, **more}
        lines.append(json.dumps(line, ensure_ascii=False) + "\n")
    partial = path.with_name(f".{path.name}.partial")
    partial.write_text("".join(lines), encoding="utf-8")
    partial.replace(path)
