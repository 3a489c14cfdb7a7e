"""How long call dumps are kept: a limit on age and one on total size, oldest removed first."""

import shutil
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path

import structlog

from pipelines.replay.dump import FOLDER_NAME

_log = structlog.get_logger()


class Retention:
    """Prunes one dump root. Blocks on the disk: runs in the recorder's thread."""

    def __init__(self, root: Path, max_age_s: float, max_bytes: int) -> None:
        """`max_age_s`, `max_bytes`: 0 for no limit."""
        self._root = root
        self._max_age = max_age_s
        self._max_bytes = max_bytes
        self._sizes: dict[str, int] = {}  # of dumps that are over: they do not change any more

    def prune(self, now: datetime, keep: Collection[Path]) -> int:
        """Remove what is too old or too much at `now`, but never a folder in `keep` (a call that is being written), nor
        anything that is not named like a dump. Returns the number of dumps removed."""
        kept = {path.name for path in keep}
        sizes = self._measure(kept)
        total = sum(sizes.values())
        removed = 0
        for name in sorted(sizes.keys() - kept):
            if not (self._too_old(name, now) or (self._max_bytes and total > self._max_bytes)):
                break  # names in order are calls in order of time: the rest is younger
            try:
                shutil.rmtree(self._root / name)
            except OSError as error:
                _log.warning("dump_not_removed", dump=name, reason=error.strerror)
                continue
            total -= sizes[name]
            self._sizes.pop(name, None)
            removed += 1
        return removed

    def _too_old(self, name: str, now: datetime) -> bool:
        started = datetime.strptime(name[:15], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
        return bool(self._max_age) and (now - started).total_seconds() > self._max_age

    def _measure(self, kept: set[str]) -> dict[str, int]:
        """Bytes of every dump under the root."""
        sizes: dict[str, int] = {}
        for entry in self._root.iterdir():
            if not FOLDER_NAME.fullmatch(entry.name) or entry.is_symlink() or not entry.is_dir():
                continue
            size = self._sizes.get(entry.name)
            if size is None:
                size = sum(file.lstat().st_size for file in entry.iterdir())
            sizes[entry.name] = size
        self._sizes = {name: size for name, size in sizes.items() if name not in kept}
        return sizes
