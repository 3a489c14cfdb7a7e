"""A call's folder as a tar, read while it is sent: nothing is kept in memory, nothing is written."""

import asyncio
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path

_PIECE = 256 * 1024
_BLOCK = 512  # of the tar format (POSIX.1-1988 ustar)


async def tarred(folder: Path) -> AsyncIterator[bytes]:
    """The archive, piece by piece. A file that shrinks meanwhile is filled up with zeros; one that is gone is left out."""
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.is_symlink()):
        try:
            file = path.open("rb")
        except OSError:
            continue
        with file:
            info = tarfile.TarInfo(f"{folder.name}/{path.name}")
            info.size, info.mtime, info.mode = path.stat().st_size, int(path.stat().st_mtime), 0o600
            yield info.tobuf(tarfile.PAX_FORMAT)
            left = info.size
            while left:
                piece = await asyncio.to_thread(file.read, min(_PIECE, left))
                piece = piece or bytes(min(_PIECE, left))
                left -= len(piece)
                yield piece
            yield bytes(-info.size % _BLOCK)
    yield bytes(2 * _BLOCK)
