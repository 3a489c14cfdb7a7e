"""The sound of recorded calls, made by the workshop when somebody listens, kept for a while in a folder that only we read and that goes
when the server does."""

import asyncio
from collections import OrderedDict
from pathlib import Path
from tempfile import TemporaryDirectory

from server.console.workshop import Job, Workshop

_KEPT = 8  # files; the one not listened to for longest goes


class Sounds:
    """By the name of the call's folder."""

    def __init__(self, workshop: Workshop) -> None:
        self._workshop = workshop
        self._folder = TemporaryDirectory(prefix="allo-sounds-", ignore_cleanup_errors=True)
        self._kept: OrderedDict[str, Path] = OrderedDict()
        self._making = asyncio.Lock()

    async def of(self, folder: Path) -> Path:
        """A WAV file: the caller left, the agent right. Raises WorkshopError."""
        name = folder.name
        async with self._making:
            if name not in self._kept:
                path = Path(self._folder.name) / f"{name}.wav"
                await self._workshop.ask(Job("sound", str(folder), into=str(path)))
                self._kept[name] = path
                while len(self._kept) > _KEPT:
                    _, oldest = self._kept.popitem(last=False)
                    oldest.unlink(missing_ok=True)
            self._kept.move_to_end(name)
            return self._kept[name]

    def forget(self, name: str) -> None:
        path = self._kept.pop(name, None)
        if path is not None:
            path.unlink(missing_ok=True)

    def close(self) -> None:
        self._folder.cleanup()
