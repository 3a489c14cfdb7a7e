"""Card numbers taken out of a recording that is on disk: `python -m server.observe.redaction FOLDER`.

A process of its own at the lowest priority: it decodes and decides the whole call once more, which would hold the interpreter lock against calls that go on.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.analysis.cards import without_cards
from pipelines.errors import AlloError
from pipelines.replay.dump import META, TRANSCRIPT, Dump, Pages, encode_meta, encode_transcript, read_dump
from pipelines.replay.sealed import PLAIN, Keys
from server.recording_keys import for_child

_LIMIT_S = 300.0


def redact(folder: Path, keys: Keys = PLAIN) -> bool:
    """Replace the recording by one without card numbers; whether it held any. What was made of it before (an analysis, a sound file) is removed with it.

    Raises DumpError and OSError; the recording is then as it was."""
    dump = read_dump(folder, keys)
    after = without_cards(dump)
    if after is dump:
        return False
    with replaced(folder) as new:
        write_dump(new, after, keys)
    return True


def reseal(folder: Path, keys: Keys) -> bool:
    """Seal every file of the recording with the first of `keys`; whether any was not. One that ends early still does.

    Raises DumpError and OSError; the recording is then as it was."""
    files = {
        path: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file() and path.suffix != ".partial"
    }
    if all(keys.has_sealed(data) for data in files.values()):
        return False
    with replaced(folder) as new:
        new.mkdir(mode=0o700)
        for path, data in files.items():
            plain, whole = keys.opened(data, path)
            write_new(new / path.name, keys.seal(path.name).add(plain, last=whole))
    return True


@contextmanager
def replaced(folder: Path) -> Iterator[Path]:
    """A place for what is to stand for a recording, once it is whole. What fails leaves the recording as it was."""
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    try:
        yield new
    except BaseException:
        shutil.rmtree(new, ignore_errors=True)
        raise
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old)


def write_dump(folder: Path, dump: Dump, keys: Keys = PLAIN) -> None:
    """A call as a folder that is not there yet, for its owner only, and sealed where there are `keys`. Raises OSError."""
    folder.mkdir(mode=0o700)
    pages = Pages()
    for step in dump.steps:
        pages.add(step.at, step.event, step.actions)
    files = [(META, encode_meta(dump.meta)), *pages.files()]
    if dump.complete:
        files.append((TRANSCRIPT, encode_transcript(dump.turns())))
    for name, data in files:
        write_new(folder / name, keys.sealed(data, name))


def write_new(path: Path, data: bytes | bytearray) -> None:
    """A file for its owner only. Raises OSError, also when it is there."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(data)


def redact_apart(folder: Path, keys: Keys = PLAIN) -> bool:
    """In a process of its own; whether that was done. Blocks."""
    command = [sys.executable, "-m", "pipelines.niceness", __spec__.name, str(folder)]
    try:
        return (
            subprocess.run(command, check=False, capture_output=True, timeout=_LIMIT_S, env=for_child(keys)).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    try:
        redact(Path(sys.argv[1]), Keys.of_environment(os.environ))
    except (AlloError, OSError) as error:
        sys.exit(f"{type(error).__name__}")
