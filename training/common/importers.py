"""Recordings as people have them, brought into a manifest: folders of pairs, CSV, LibriSpeech, Common Voice.

Each reader gives entries, an audio file and its words with the line they stand in, and what it could not use. `check`
then listens to every file. Everything wrong is found in one pass and reported together, by file and line; files that
have no lines are reported at line 1. The audio stays where it is.
"""

import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import soundfile

from training.common.errors import DataError
from training.common.manifests import LIMITS, Clip, Limits, Problem

SOUNDS = frozenset({".wav", ".flac", ".mp3", ".ogg", ".opus", ".oga", ".aif", ".aiff", ".au"})
_TEXT_FOLDERS = ("reports", "texts", "transcripts")
_AUDIO = ("audio", "path", "file", "filename", "wav")
_TEXT = ("sentence", "text", "transcript", "transcription")
_SPEAKER = ("speaker", "client_id", "speaker_id")
_LANGUAGE = ("language", "locale", "lang")
_BLOCK = 1 << 16  # frames read at once


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """A recording to import. `source`, `line`: where it is written that it exists."""

    audio: Path
    text: str
    speaker: str
    source: Path
    line: int = 1
    language: str = ""


Found = tuple[list[Entry], list[Problem]]


def folder(source: Path) -> Found:
    """NAME.wav with NAME.txt beside it, in any depth; or two folders, `audio/` and `reports/` (or `texts/`,
    `transcripts/`), with the same names. The speaker is the folder that the recording lies in, unless it is `source`."""
    _require_folder(source)
    audio = source / "audio"
    written = next((source / name for name in _TEXT_FOLDERS if (source / name).is_dir()), None)
    sounds, texts = (audio, written) if audio.is_dir() and written else (source, source)
    heard = {_name(path, sounds): path for path in _files(sounds) if path.suffix.lower() in SOUNDS}
    said = {_name(path, texts): path for path in _files(texts) if path.suffix.lower() == ".txt"}
    entries, problems = [], []
    for name in sorted(heard.keys() | said.keys()):
        if name not in said:
            problems.append(Problem(heard[name], 1, "audio with no text beside it"))
        elif name not in heard:
            problems.append(Problem(said[name], 1, "text with no audio beside it"))
        else:
            try:
                text = " ".join(said[name].read_text(encoding="utf-8-sig").split())
            except (OSError, UnicodeDecodeError) as error:
                problems.append(Problem(said[name], 1, f"cannot be read as UTF-8 text ({error})"))
                continue
            speaker = "" if heard[name].parent == sounds else heard[name].parent.name
            entries.append(Entry(audio=heard[name], text=text, speaker=speaker, source=said[name]))
    return entries, problems


def table(source: Path) -> Found:
    """A CSV file with the columns `audio` (relative to it) and `sentence`; `speaker` and `language` if it has them."""
    return _table(source, ",", source.parent)


def common_voice(source: Path) -> Found:
    """Common Voice: a TSV file, or the folder with `validated.tsv`; the recordings lie in `clips/` beside it."""
    if source.is_dir():
        source = source / "validated.tsv"
    return _table(source, "\t", source.parent / "clips")


def librispeech(source: Path) -> Found:
    """LibriSpeech's tree: SPEAKER/CHAPTER/*.flac with SPEAKER-CHAPTER.trans.txt. Its capitals become lower case."""
    _require_folder(source)
    entries, problems = [], []
    listed: set[Path] = set()
    for transcript in sorted(source.rglob("*.trans.txt")):
        for number, line in _lines(transcript):
            name, _, text = line.partition(" ")
            audio = transcript.parent / f"{name}.flac"
            listed.add(audio)
            speaker = name.split("-")[0]
            entries.append(
                Entry(audio=audio, text=text.strip().lower(), speaker=speaker, source=transcript, line=number)
            )
    for path in sorted(set(source.rglob("*.flac")) - listed):
        problems.append(Problem(path, 1, "audio with no text in a .trans.txt"))
    return entries, problems


FORMATS: dict[str, Callable[[Path], Found]] = {
    "folder": folder,
    "csv": table,
    "librispeech": librispeech,
    "common-voice": common_voice,
}


def check(
    found: Found,
    *,
    language: str,
    speaker: str = "",
    limits: Limits = LIMITS,
    heard: Callable[[], None] = lambda: None,
) -> tuple[list[Clip], list[Problem]]:
    """Listen to every recording to its end: the clips that can be used, and everything that is wrong with the others.

    `language` and `speaker` are those of entries that name none. `heard` is called after each recording."""
    entries, problems = found
    clips, wrong = [], list(problems)
    for entry in entries:
        try:
            clips.append(
                Clip(
                    audio=entry.audio.resolve(),
                    text=_words(entry.text),
                    language=entry.language or language,
                    speaker=entry.speaker or speaker,
                    duration=round(listen(entry.audio, limits), 3),
                )
            )
        except DataError as error:
            wrong.append(Problem(entry.source, entry.line, str(error)))
        heard()
    return clips, wrong


def listen(path: Path, limits: Limits = LIMITS) -> float:
    """Seconds of the recording at `path`, read to its end. Raises DataError when it is missing, corrupt, empty, silent
    throughout, or shorter or longer than the limits."""
    if not path.is_file():
        raise DataError(f"{path.name}: text with no audio: there is no such file")
    if not path.stat().st_size:
        raise DataError(f"{path.name}: empty audio: the file has no bytes")
    frames, sound = 0, False
    try:
        with soundfile.SoundFile(path) as stream:
            for block in stream.blocks(_BLOCK, dtype="int16"):
                frames += len(block)
                sound = sound or bool(block.any())
            expected, rate = stream.frames, stream.samplerate
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise DataError(f"{path.name}: corrupt file ({error})") from error
    if not frames:
        raise DataError(f"{path.name}: empty audio: it holds no sound")
    if frames < expected:
        raise DataError(f"{path.name}: corrupt file: it ends at {frames / rate:.2f} of {expected / rate:.2f} s")
    if not sound:
        raise DataError(f"{path.name}: empty audio: it is silent throughout")
    seconds = frames / rate
    if seconds < limits.min_s:
        raise DataError(f"{path.name}: lasts {seconds:.2f} s, less than {limits.min_s:g} s")
    if seconds > limits.max_s:
        raise DataError(f"{path.name}: lasts {seconds:.1f} s, more than the limit of {limits.max_s:g} s")
    return seconds


def _words(text: str) -> str:
    if not text:
        raise DataError("audio with no text: the text is empty")
    return text


def _table(source: Path, delimiter: str, folder: Path) -> Found:
    entries, problems = [], []
    try:
        with source.open(encoding="utf-8-sig", newline="") as stream:
            quoting = csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL
            rows = csv.DictReader(stream, delimiter=delimiter, quoting=quoting)
            audio, text = _column(rows, _AUDIO, source), _column(rows, _TEXT, source)
            speaker, language = _optional(rows, _SPEAKER), _optional(rows, _LANGUAGE)
            for row in rows:
                if not (row[audio] or "").strip():
                    problems.append(Problem(source, rows.line_num, "text with no audio: the column is empty"))
                    continue
                entries.append(
                    Entry(
                        audio=folder / row[audio].strip(),
                        text=" ".join((row[text] or "").split()),
                        speaker=(row.get(speaker) or "").strip(),
                        source=source,
                        line=rows.line_num,
                        language=(row.get(language) or "").strip()[:2].lower(),
                    )
                )
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{source}: cannot be read ({error}).") from error
    return entries, problems


def _column(rows: csv.DictReader, names: tuple[str, ...], source: Path) -> str:
    found = _optional(rows, names)
    if not found:
        columns = ", ".join(rows.fieldnames or ()) or "none"
        raise DataError(f"{source}:1: no column {names[0]!r} (or {', '.join(names[1:])}). Columns: {columns}.")
    return found


def _optional(rows: csv.DictReader, names: tuple[str, ...]) -> str:
    return next((name for name in names if name in (rows.fieldnames or ())), "")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from error
    return ((number, line) for number, line in enumerate(lines, start=1) if line.strip())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))


def _name(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix("").as_posix()


def _require_folder(source: Path) -> None:
    if not source.is_dir():
        raise DataError(f"{source}: there is no such folder.")
