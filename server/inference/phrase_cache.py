"""Phrases that recur, kept as audio on disk: what a voice said once need not be said again, nor after the next start.

Any number of processes may share the folder: a file appears whole or not at all, and is never changed afterwards."""

import hashlib
import json
import os
import tempfile
from contextlib import suppress
from pathlib import Path

import numpy as np

from server.inference.voicing import LEVEL_DBFS, Pcm

_FORM = 1  # of the audio kept: raise it when trimming or levelling changes


def phrase_key(identity: str, language: str, text: str, rate: int) -> str:
    """Name of a phrase: the same only when all that shapes its audio is the same. `identity`: voice and weights."""
    parts = json.dumps([_FORM, LEVEL_DBFS, identity, language, text, rate], ensure_ascii=True)
    return hashlib.sha256(parts.encode()).hexdigest()


class PhraseCache:
    """`folder` is made when needed; over `max_bytes`, what was not used for longest is removed. Raises OSError."""

    def __init__(self, folder: Path, max_bytes: int = 256 << 20) -> None:
        self._folder, self._max_bytes = folder, max_bytes

    def get(self, key: str) -> Pcm | None:
        """The phrase's audio, or None when it is not kept; a damaged file is removed."""
        path = self._folder / f"{key}.npy"
        try:
            pcm = np.load(path, allow_pickle=False)
        except FileNotFoundError:
            return None
        except (ValueError, EOFError):
            path.unlink(missing_ok=True)
            return None
        if pcm.dtype != np.int16 or pcm.ndim != 1:
            path.unlink(missing_ok=True)
            return None
        with suppress(FileNotFoundError):  # another process may have removed it since
            os.utime(path)
        return pcm

    def put(self, key: str, pcm: Pcm) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=".", delete=False) as stream:
            try:
                np.save(stream, pcm, allow_pickle=False)
                stream.flush()
                os.replace(stream.name, self._folder / f"{key}.npy")
            except BaseException:
                Path(stream.name).unlink(missing_ok=True)
                raise
        self._prune()

    def _prune(self) -> None:
        kept = []
        for path in self._folder.glob("*.npy"):
            with suppress(FileNotFoundError):
                status = path.stat()
                kept.append((status.st_mtime_ns, status.st_size, path))
        excess = sum(size for _, size, _ in kept) - self._max_bytes
        for _, size, path in sorted(kept):
            if excess <= 0:
                break
            path.unlink(missing_ok=True)
            excess -= size
