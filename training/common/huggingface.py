"""Hugging Face data sets: a folder saved by the library `datasets`, a folder of parquet files, or the name of one on the hub.

Their recordings lie inside their files; they are written out as they are, beside the manifest. Needs the library
`datasets`, which nothing else here does.
"""

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from training.common.errors import DataError
from training.common.importers import Entry, Found
from training.common.manifests import Problem

_TEXT = ("sentence", "text", "transcription", "transcript", "normalized_text")
_SPEAKER = ("speaker", "speaker_id", "client_id")
_LANGUAGE = ("language", "locale", "lang")


def read(
    source: str,
    folder: Path,
    *,
    subset: str = "",
    split: str = "train",
    counted: Callable[[int], None] = lambda _: None,
) -> Found:
    """The clips of `split` of a data set, their recordings written to `folder`. `counted` is told how many there are.
    Raises DataError when the library or the data set is missing, or a column is."""
    rows = _rows(source, subset, split)
    columns = rows.column_names
    text, audio = _named(columns, _TEXT, source), _named(columns, ("audio",), source)
    speaker, language = (next((name for name in names if name in columns), "") for names in (_SPEAKER, _LANGUAGE))
    counted(len(rows))
    folder.mkdir(parents=True, exist_ok=True)
    entries, problems = [], []
    for number, row in enumerate(rows, start=1):
        place = Path(f"{source}[{split}]")
        path = _written(row[audio], folder)
        if path is None:
            problems.append(Problem(place, number, "text with no audio: the recording is missing"))
            continue
        entries.append(
            Entry(
                audio=path,
                text=" ".join((row[text] or "").split()),
                speaker=str(row.get(speaker, "") or ""),
                source=place,
                line=number,
                language=str(row.get(language, "") or "")[:2].lower(),
            )
        )
    return entries, problems


def _rows(source: str, subset: str, split: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise DataError("Hugging Face data sets need a library: pip install 'allo[hugging-face]'.") from None
    place = Path(source)
    try:
        if (place / "dataset_dict.json").exists() or (place / "state.json").exists():
            rows = datasets.load_from_disk(source)
            rows = rows[split] if isinstance(rows, datasets.DatasetDict) else rows
        elif place.is_dir():
            files = sorted(str(path) for path in place.rglob("*.parquet"))
            files = [path for path in files if split in Path(path).stem] or files
            if not files:
                raise DataError(f"{source}: neither a saved data set nor a folder with parquet files.")
            rows = datasets.Dataset.from_parquet(files)
        else:
            rows = datasets.load_dataset(source, subset or None, split=split)
    except DataError:
        raise
    except Exception as error:  # of the library and of what it is built on, which share no base
        raise DataError(f"the data set {source!r} cannot be read: {type(error).__name__}: {error}") from error
    if "audio" in rows.column_names:  # decoding is ours: the library's needs torchcodec
        rows = rows.cast_column("audio", datasets.Audio(decode=False))
    return rows


def _written(audio: Mapping[str, Any] | None, folder: Path) -> Path | None:
    """Where the recording lies: written into `folder`, or where it is already."""
    if not audio:
        return None
    name = audio.get("path") or ""
    if not audio.get("bytes"):
        return Path(name) if name else None
    key = hashlib.sha256(audio["bytes"]).hexdigest()[:16]
    path = folder / f"{key}{Path(name).suffix or '.wav'}"
    path.write_bytes(audio["bytes"])
    return path


def _named(columns: list[str], names: tuple[str, ...], source: str) -> str:
    for name in names:
        if name in columns:
            return name
    raise DataError(f"{source}: no column {names[0]!r}. Columns: {', '.join(columns)}.")
