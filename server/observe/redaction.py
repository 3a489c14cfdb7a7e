"""Card numbers taken out of a recording that is on disk: `python -m server.observe.redaction FOLDER`.

A process of its own at the lowest priority: it decodes and decides the whole call once more, which would hold the interpreter lock against calls that go on.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from pipelines.analysis.cards import without_cards
from pipelines.errors import DumpError
from pipelines.replay.dump import META, TRANSCRIPT, Dump, Pages, encode_meta, encode_transcript, read_dump

_LIMIT_S = 300.0


def redact(folder: Path) -> bool:
    """Replace the recording by one without card numbers; whether it held any. What was made of it before (an analysis, a sound file) is removed with it.

    Raises DumpError and OSError; the recording is then as it was."""
    dump = read_dump(folder)
    after = without_cards(dump)
    if after is dump:
        return False
    new, old = folder.with_name(f".{folder.name}.new"), folder.with_name(f".{folder.name}.old")
    shutil.rmtree(new, ignore_errors=True)
    write_dump(new, after)
    folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old)
    return True


def write_dump(folder: Path, dump: Dump) -> None:
    """A call as a folder that is not there yet, for its owner only. Raises OSError."""
    folder.mkdir(mode=0o700)
    pages = Pages()
    for step in dump.steps:
        pages.add(step.at, step.event, step.actions)
    files = [(META, encode_meta(dump.meta)), *pages.files()]
    if dump.complete:
        files.append((TRANSCRIPT, encode_transcript(dump.turns())))
    for name, data in files:
        with os.fdopen(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)


def redact_apart(folder: Path) -> bool:
    """In a process of its own; whether that was done. Blocks."""
    command = [sys.executable, "-m", __spec__.name, str(folder)]
    try:
        return subprocess.run(command, check=False, capture_output=True, timeout=_LIMIT_S).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


if __name__ == "__main__":
    os.nice(19)
    try:
        redact(Path(sys.argv[1]))
    except (DumpError, OSError) as error:
        sys.exit(f"{type(error).__name__}")
