"""A trained model becomes a folder that the server verifies and loads (its form: `pipelines/models/exported.py`).

    export(out, name="digits-gru", port="stt", kind="ctc", licence="CC-BY-4.0", note="digits, English",
           weights={"model.safetensors": ..., "config.json": ...}, provenance=provenance(...),
           self_test=SelfTest(audio=clip, language="en", text="four two", log_probs=...))

Give in the self-test what the model said in training: the export loads what it wrote through the adapter that serves, and
refuses to leave a folder that hears something else.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from pipelines.adapters import kinds
from pipelines.errors import ModelError
from pipelines.models import exported
from pipelines.models import self_test as tests
from pipelines.models.card import ModelCard, Port
from pipelines.models.exported import CARD, MANIFEST, CardFile, Data, Provenance
from pipelines.models.self_test import SelfTest, VectorTest
from pipelines.models.store import Store

__all__ = ["Data", "Provenance", "SelfTest", "VectorTest", "export", "provenance", "require_free"]

_PACKAGES = ("allo", "torch", "transformers", "peft", "ctranslate2", "faster-whisper", "numpy")


def provenance(
    *,
    data: Sequence[Data],
    seed: int,
    recipe: Mapping[str, Any],
    figures: Mapping[str, Any],
    languages: Sequence[str],
    base: str = "",
) -> Provenance:
    """Where the model comes from, with what this process knows of itself: commit, command line, time, versions."""
    commit, dirty = git_state(Path(__file__).parent)
    return Provenance(
        data=tuple(data),
        seed=seed,
        recipe=dict(recipe),
        figures=dict(figures),
        languages=tuple(languages),
        base=base,
        commit=commit,
        dirty=dirty,
        command=shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        made=datetime.now(UTC).isoformat(timespec="seconds"),
        packages={name: version for name in _PACKAGES if (version := _version(name))},
    )


def git_state(folder: Path) -> tuple[str, bool]:
    """The commit of the code in `folder` and whether it has changes beside; ("", False) when it is in no repository."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))
    except (OSError, subprocess.CalledProcessError):
        return "", False


def export(
    folder: Path,
    *,
    name: str,
    port: Port,
    kind: str,
    licence: str,
    note: str,
    weights: Mapping[str, Path],
    provenance: Provenance,
    self_test: SelfTest | VectorTest,
    replace: bool = False,
    prove: bool = True,
    encoder: str = "",
) -> Path:
    """Write `folder`, whole or not at all, and return it. `weights`: by the name that the adapter of `kind` expects.

    `encoder`: the model of the store that it hears through. `replace`: an exported model that lies there goes. `prove`: load what was written and run the self-test on it. Raises
    ModelError: something lies there, a file cannot be read, the served model hears something else.
    """
    folder = folder.absolute()
    if taken := set(weights) & {MANIFEST, CARD, tests.FILE}:
        raise ModelError(f"{', '.join(sorted(taken))} is the export's own file. Call the weights something else.")
    require_free(folder, replace)
    card = CardFile(name=name, port=port, kind=kind, licence=licence, note=note, provenance=provenance)
    try:
        with _beside(folder, replace) as made:
            for file, source in weights.items():
                shutil.copyfile(source, made / file)
            tests.save(self_test, made / tests.FILE)
            exported.write_card(card, made)
            files = [*weights, CARD, tests.FILE]
            manifest = _model_card(card, made, files, encoder)
            exported.write_manifest(manifest, made)
            exported.check(made)
            if prove:
                _prove(manifest, made, self_test)
    except OSError as error:
        raise ModelError(f"{name} cannot be exported to {folder}: {error.strerror or error}. Mend that.") from error
    return folder


def _model_card(card: CardFile, folder: Path, files: Sequence[str], encoder: str) -> ModelCard:
    try:
        return ModelCard(
            name=card.name,
            port=card.port,
            kind=card.kind,
            licence=card.licence,
            note=card.note,
            files=tuple(exported.file_of(folder / file) for file in files),
            encoder=encoder,
        )
    except ValueError as error:
        raise ModelError(f"{error}. Take letters, digits and . _ + - alone.") from error


def _prove(card: ModelCard, folder: Path, self_test: SelfTest | VectorTest) -> None:
    encoder = Store().path(card.encoder) if card.encoder else None
    model = kinds.load(card.port, card.kind, folder, threads=os.cpu_count() or 1, encoder=encoder)
    if wrong := tests.differs(card.port, model, self_test):
        raise ModelError(
            f"{card.name} as the server loads it is not the model that was trained: {wrong}. Nothing was exported."
        )


def require_free(folder: Path, replace: bool = False) -> None:
    """Raise ModelError if something lies at `folder` that an export would not replace: known before hours of training."""
    if folder.exists() and not replace:
        raise ModelError(f"{folder} is there already. Choose another folder, or say that it may be replaced.")
    if folder.exists() and not (folder / MANIFEST).is_file():
        raise ModelError(f"{folder} is no exported model, so it is not replaced. Choose another folder.")


@contextmanager
def _beside(folder: Path, replace: bool) -> Iterator[Path]:
    """A new folder that takes the place of `folder` when the block ends well, and is gone when it does not."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{folder.name}-", dir=folder.parent) as place:
        made = Path(place, folder.name)
        made.mkdir()
        yield made
        for path in made.iterdir():
            with path.open("rb") as stream:
                os.fsync(stream.fileno())
        if replace and folder.exists():
            folder.rename(Path(place, ".old"))
        made.rename(folder)


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True
    ).stdout.strip()


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
