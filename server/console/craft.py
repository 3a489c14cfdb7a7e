"""`python -m pipelines.niceness server.console.craft`: the child that `workshop.py` speaks of. Jobs on stdin, answers on stdout, until stdin ends."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from pipelines.analysis.analysis import Analysis, encode
from pipelines.analysis.analyze import analyze
from pipelines.analysis.files import read_analysis
from pipelines.errors import AlloError, DumpError
from pipelines.replay.dump import Dump, read_dump
from pipelines.replay.sealed import Keys
from server.console.past_page import call_page, versus_page
from server.console.workshop import Answer, Job
from server.observe.listen import wav

KEYS = Keys.of_environment(os.environ)
"""Of the recordings: whoever starts this process gives them to it."""


def _analysis(folder: Path, dump: Dump) -> Analysis:
    """As it was written after the call, with what a language model found; else made now."""
    try:
        return read_analysis(folder, KEYS)
    except DumpError:
        return analyze(dump)


def _page(job: Job) -> bytes:
    folder = Path(job.folder)
    dump = read_dump(folder, KEYS)
    return call_page(folder.name, dump, _analysis(folder, dump), job.told).encode(errors="replace")


def _versus(job: Job) -> bytes:
    folder, other = Path(job.folder), Path(job.other)
    before, after = read_dump(folder, KEYS), read_dump(other, KEYS)
    return versus_page((before, analyze(before)), (after, analyze(after)), job.told).encode(errors="replace")


def _json(job: Job) -> bytes:
    folder = Path(job.folder)
    return encode(_analysis(folder, read_dump(folder, KEYS)))


def _sound(job: Job) -> bytes:
    into = Path(job.into)
    partial = into.with_suffix(".partial")
    partial.write_bytes(KEYS.sealed(wav(read_dump(Path(job.folder), KEYS)), into.name))
    partial.rename(into)
    return b""


CRAFTS: dict[str, Callable[[Job], bytes]] = {"page": _page, "versus": _versus, "json": _json, "sound": _sound}


def do(job: Job) -> Answer:
    """The job, done."""
    try:
        return Answer(CRAFTS[job.what](job))
    except AlloError as error:
        return Answer(error=str(error).replace(job.folder, Path(job.folder).name))
    except OSError as error:
        return Answer(error=f"{error.strerror}")
    except Exception as error:  # a recording may hold anything; the next job is another's
        return Answer(error=f"it could not be read ({type(error).__name__}).")


def main() -> None:
    os.umask(0o077)
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    sys.stdout = sys.stderr  # whatever prints must not be taken for an answer
    while len(head := requests.read(8)) == 8:
        job = msgspec.msgpack.decode(requests.read(int.from_bytes(head, "big")), type=Job)
        answer = msgspec.msgpack.encode(do(job))
        answers.write(len(answer).to_bytes(8, "big") + answer)
        answers.flush()


if __name__ == "__main__":
    main()
