"""Who did what to which call, and when: lines of JSON that are only ever added to.

    {"at":"2026-11-21T20:15:03.120Z","who":"ana@example.org","what":"hang_up","call":"CA0c1d","dump":"20261121T...-CA0c1d"}

An action is written before it is done, and is not done when it cannot be written. No words of a caller and no whole number are in it.
"""

import asyncio
import os
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import structlog

from pipelines.errors import AlloError

log = structlog.get_logger()


class AuditError(AlloError):
    """An action could not be written down, so it is not done."""


class Audit:
    """The file; it is made when there is something to write."""

    def __init__(self, path: Path) -> None:
        self.path = path

    async def write(self, who: str, what: str, *, call: str = "", dump: str = "", **more: str | int | float) -> None:
        """Add a line. Raises AuditError."""
        now = datetime.now(UTC)
        fields = {"at": f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03d}Z", "who": who, "what": what}
        fields |= {name: value for name, value in {"call": call, "dump": dump, **more}.items() if value != ""}
        line = msgspec.json.encode({name: _sound(value) for name, value in fields.items()}) + b"\n"
        try:
            await asyncio.to_thread(self._append, line)
        except OSError as error:
            log.error("audit_not_written", reason=error.strerror, path=str(self.path))
            raise AuditError(f"{self.path} cannot be written: {error.strerror}. Nothing was done.") from None

    def _append(self, line: bytes) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(descriptor, line)
        finally:
            os.close(descriptor)


def _sound(value: object) -> object:
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
