"""A call's folder as a tar, read while it is sent: nothing is kept in memory, nothing is written."""

import asyncio
import os
import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

_PIECE = 256 * 1024
_BLOCK = 512  # of the tar format (POSIX.1-1988 ustar)


async def tarred(folder: Path) -> AsyncIterator[bytes]:
    """The archive, piece by piece. A file that shrinks meanwhile is filled up with zeros; one that is gone is left out."""
    for path in await asyncio.to_thread(_files, folder):
        try:
            file, head, left = await asyncio.to_thread(_opened, folder, path)
        except OSError:
            continue
        with file:
            yield head
            pad = bytes(-left % _BLOCK)
            while left:
                piece = await asyncio.to_thread(file.read, min(_PIECE, left))
                piece = piece or bytes(min(_PIECE, left))
                left -= len(piece)
                yield piece
            yield pad
    yield bytes(2 * _BLOCK)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.is_symlink())


def _opened(folder: Path, path: Path) -> tuple[BinaryIO, bytes, int]:
    """(the file, its header in the archive, its size)"""
    file = path.open("rb")
    facts = os.fstat(file.fileno())
    info = tarfile.TarInfo(f"{folder.name}/{path.name}")
    info.size, info.mtime, info.mode = facts.st_size, int(facts.st_mtime), 0o600
    return file, info.tobuf(tarfile.PAX_FORMAT), facts.st_size
