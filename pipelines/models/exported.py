"""A model of one's own as a folder, the way training leaves it and the store keeps it.

    NAME/model.toml       one [[models]] table in the form of the shipped manifest: every other file with its size and sha256
    NAME/card.json        where it comes from (`Provenance`), and once more its name, port, kind and licence
    NAME/self_test.npz    a clip and what the model makes of it (`self_test.SelfTest`)
    NAME/...              the weights, as the adapter of its kind reads them

`model.toml` proves the other files; that `card.json` repeats what it says shows a manifest that was changed alone.
"""

import hashlib
import json
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from pipelines.errors import ModelError
from pipelines.models import self_test
from pipelines.models.card import ModelCard, ModelFile, Port

MANIFEST = "model.toml"
CARD = "card.json"

_AGAIN = "Export it again, or copy it again from where it was exported."


class Data(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Recordings that a model learned from. `manifest`: its path as the recipe names it; `hours` of `clips` that were used;
    `licence`: SPDX identifier, or words; `role`: "train", "validation", "test", or "noise", heard behind what is learnt."""

    manifest: str
    hours: float
    clips: int
    licence: str
    role: str = "train"


class Provenance(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a model comes from. `languages`: ISO 639-1. `base`: the checkpoint it began from, "" for none. `commit`: of the
    code, "" when unknown; `dirty`: the code had changes beside. `command`: the command line. `recipe`: every setting.
    `figures`: what was measured, by name: numbers, or tables of them. `made`: ISO 8601, UTC. `packages`: versions."""

    data: tuple[Data, ...]
    seed: int
    recipe: dict[str, Any]
    figures: dict[str, Any]
    languages: tuple[str, ...]
    base: str = ""
    commit: str = ""
    dirty: bool = False
    command: str = ""
    made: str = ""
    packages: dict[str, str] = {}


class CardFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `card.json` holds."""

    name: str
    port: Port
    kind: str
    licence: str
    note: str
    provenance: Provenance


def write_manifest(card: ModelCard, folder: Path) -> None:
    """`model.toml`, in the form that `Registry` reads."""
    lines = [
        "# Every file of this model, and the hash it must have. Written by the export: a change makes it refused.",
        "",
    ]
    lines += ["[[models]]"]
    keys = ("name", "port", "kind", "licence", "note", *["encoder"] * bool(card.encoder))
    lines += [f"{key} = {_toml(getattr(card, key))}" for key in keys]
    for file in card.files:
        lines += ["", "  [[models.files]]", f"  name = {_toml(file.name)}", f"  size = {file.size}"]
        lines += [f'  sha256 = "{file.sha256}"']
    (folder / MANIFEST).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_card(card: CardFile, folder: Path) -> None:
    content = msgspec.json.format(msgspec.json.encode(card, enc_hook=_plain), indent=2)
    (folder / CARD).write_bytes(content + b"\n")


def file_of(path: Path) -> ModelFile:
    """A file as a manifest names it. Reads the whole of it."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return ModelFile(path.name, path.stat().st_size, digest)


def read_manifest(folder: Path) -> ModelCard:
    """The card in `model.toml`, by its form alone. Raises ModelError."""
    path = folder / MANIFEST
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        [table] = content["models"]
        if len(content) > 1:
            raise ValueError("holds more than [[models]]")
        card = msgspec.convert(table, ModelCard)
    except (FileNotFoundError, NotADirectoryError):
        raise ModelError(
            f"{folder} is no exported model: it has no {MANIFEST}. Name the folder that training exported."
        ) from None
    except (OSError, KeyError, TypeError, ValueError) as error:  # tomllib, msgspec and Unicode errors are ValueErrors
        what = "has no single [[models]] table" if isinstance(error, KeyError) else str(error)
        raise ModelError(f"{path}: {what}. {_AGAIN}") from error
    named = [file.name for file in card.files]
    lacking = [name for name in (CARD, self_test.FILE) if name not in named]
    if lacking or len(set(named)) < len(named) or MANIFEST in named:
        what = f"does not name {' and '.join(lacking)}" if lacking else "names a file twice, or itself"
        raise ModelError(f"{path}: {what}. {_AGAIN}")
    return card


def read_card(folder: Path) -> CardFile:
    """`card.json` of an exported folder; its hash is not looked at. Raises ModelError, also when it says of the model what
    `model.toml` does not."""
    path, manifest = folder / CARD, read_manifest(folder)
    try:
        card = msgspec.json.decode(path.read_bytes(), type=CardFile)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path}: {reason}. {_AGAIN}") from error
    for key in ("name", "port", "kind", "licence", "note"):
        ours, theirs = getattr(card, key), getattr(manifest, key)
        if ours != theirs:
            raise ModelError(f"{manifest.name}: {CARD} says {key} {ours!r}, {MANIFEST} {theirs!r}. {_AGAIN}")
    return card


def languages_of(folder: Path) -> tuple[str, ...]:
    """The languages of a model by its card, () when there is no card to ask."""
    return read_card(folder).provenance.languages if (folder / CARD).is_file() and (folder / MANIFEST).is_file() else ()


def check(folder: Path) -> ModelCard:
    """The card of an exported folder whose files all are what `model.toml` says. Hashes everything. Raises ModelError naming
    the model, every file that is not, and the mend."""
    card = read_manifest(folder)
    faults = []
    for file in card.files:
        path = folder / file.name
        try:
            size = path.stat().st_size
            if size != file.size:
                faults.append(f"{file.name} has {size:,} bytes instead of {file.size:,}")
            elif (found := file_of(path).sha256) != file.sha256:
                faults.append(f"{file.name} has sha256 {found[:12]}... instead of {file.sha256[:12]}...")
        except FileNotFoundError:
            faults.append(f"{file.name} is missing")
        except OSError as error:
            faults.append(f"{file.name}: {error.strerror}")
    if faults:
        raise ModelError(f"{card.name} in {folder} is not what was exported: {'; '.join(faults)}. {_AGAIN}")
    read_card(folder)
    self_test.load(folder / self_test.FILE)
    return card


def _plain(value: Any) -> Any:
    """Of recipes and figures: paths, and numpy's numbers and arrays."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise NotImplementedError(type(value).__name__)  # how msgspec is told that a hook knows no such type


def _toml(text: str) -> str:
    """A basic string: those of JSON are, but for DEL."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
