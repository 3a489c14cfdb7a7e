"""Models of one's own in the store: an exported folder is copied in, checked where it will lie, and named like any other."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock

from pipelines.errors import ModelError
from pipelines.models import exported
from pipelines.models.card import ModelCard
from pipelines.models.store import Store

_BESIDE = ".added-"  # of copies that are not finished; hidden, so that no registry sees them


def add(store: Store, folder: Path, *, replace: bool = False) -> ModelCard:
    """Copy an exported folder into the store, and return its card. It is there whole or not at all.

    `replace`: one of that name that was added before goes. Raises ModelError: the folder is none, a file is not what it
    should be, a model that Allô or a manifest knows has that name.
    """
    card = exported.read_manifest(folder)
    name, registry = card.name, store.registry
    if name in registry and name not in registry.added:
        raise ModelError(f"{name} is a name that a known model has. Export yours under another name.")
    target = store.root / name
    with _changing(store.root, name):
        if target.exists() and not (target / exported.MANIFEST).exists():
            raise ModelError(f"{target} is there and was not added. Remove it, or export under another name.")
        if target.exists() and not replace:
            raise ModelError(f"a model called {name} was added before. Say --replace, or export under another name.")
        _require_space(store.root, card)
        with tempfile.TemporaryDirectory(prefix=_BESIDE, dir=store.root) as place:
            copy = Path(place, name)
            copy.mkdir()
            for file in (exported.MANIFEST, *(file.name for file in card.files)):
                if (folder / file).is_file():
                    shutil.copyfile(folder / file, copy / file)
            # The copy is what counts: what changed while it was made is found, and so is a disk that tells lies.
            added = _checked(copy, folder)
            if target.exists():
                target.rename(Path(place, ".old"))
            copy.rename(target)
    return added


def remove(store: Store, name: str) -> None:
    """Delete a model that was added. Raises ModelError for any other."""
    target = store.root / name
    if name not in store.registry.added and name not in store.registry.broken:
        known = ", ".join(sorted(store.registry.added)) or "none"
        what = (
            f"{name} was not added, so it is not removed" if name in store.registry else f"no model is called {name!r}"
        )
        raise ModelError(f"{what}. Added: {known}.")
    with _changing(store.root, name), tempfile.TemporaryDirectory(prefix=_BESIDE, dir=store.root) as place:
        target.rename(Path(place, name))  # gone at once, for whoever looks


def _checked(copy: Path, folder: Path) -> ModelCard:
    try:
        return exported.check(copy)
    except ModelError as error:
        raise ModelError(str(error).replace(str(copy), str(folder))) from error


def _require_space(root: Path, card: ModelCard) -> None:
    free = shutil.disk_usage(root).free
    if free < card.size:
        raise ModelError(
            f"{card.name} needs {card.size / 1e6:,.0f} MB of disk in {root} and {free / 1e6:,.0f} MB are free. Free some, or "
            "choose another place with ALLO_MODELS or the setting models.dir."
        )


@contextmanager
def _changing(root: Path, name: str) -> Iterator[None]:
    """One process at a time; what one that was killed left behind goes."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLock(root / f"{_BESIDE}lock"):
            for leftover in root.glob(f"{_BESIDE}*/"):
                shutil.rmtree(leftover)
            yield
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or os.fspath(root)
        raise ModelError(f"{name} in {root}: {reason}. Mend that and run it again.") from error
