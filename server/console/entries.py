"""What the index keeps of a recorded call, read from its folder without reading the call: the facts, the turns, the last lines."""

import math
from pathlib import Path
from statistics import median

import msgspec

from pipelines.actions import Turn
from pipelines.errors import DumpError
from pipelines.replay.dump import EVENTS, FOLDER_NAME, TRANSCRIPT, read_meta
from pipelines.replay.sealed import PLAIN, Keys, is_sealed
from pipelines.units import SECOND

_HEAD = 64  # bytes: enough to tell whether a file is sealed
_TAIL = 64 * 1024
"""Bytes of the end of `events.jsonl` that are read: the end of a call is in its last lines."""
WORDS_LIMIT = 200_000
"""Characters of a call that can be searched."""


class Entry(msgspec.Struct, frozen=True):
    """A recorded call. `name`: of its folder; `stamp`: changes when the folder does; `started`: Unix time, s; `seconds`: how long it was;
    `outcome`: as in `CallEnded`, "" where the recording does not say; `gap`, `longest`: median and longest response gap in seconds;
    `interruptions`: of the agent; `words`: of both parties."""

    name: str
    stamp: int
    started: float
    seconds: float
    call_id: str
    carrier: str
    agent: str
    caller: str
    called: str
    outcome: str
    turns: int
    gap: float | None
    longest: float | None
    interruptions: int
    complete: bool
    words: str = ""


class _Line(msgspec.Struct):
    t: int
    event: str = ""
    action: str = ""
    reason: str = ""
    turn: Turn | None = None


_decode_line = msgspec.json.Decoder(_Line).decode
_decode_turns = msgspec.json.Decoder(list[Turn]).decode


def stamp_of(folder: Path) -> int:
    """Raises OSError."""
    return folder.stat().st_mtime_ns


def read_entry(folder: Path, keys: Keys = PLAIN) -> Entry:
    """Raises DumpError when it is no dump of this version, SealedError when it is sealed and `keys` do not open it, OSError when it cannot be read."""
    stamp = stamp_of(folder)
    meta = read_meta(folder, keys)
    seconds, outcome = _end(folder, keys)
    complete = (folder / TRANSCRIPT).exists()
    turns = _turns(folder, keys) if complete else _turns_of_lines(folder, keys)
    gaps = [turn.gap for turn in turns if turn.gap is not None and math.isfinite(turn.gap)]
    return Entry(
        name=folder.name,
        stamp=stamp,
        started=meta.started.timestamp(),
        seconds=seconds,
        call_id=meta.call_id,
        carrier=meta.carrier,
        agent=meta.agent,
        caller=meta.caller,
        called=meta.called,
        outcome=outcome,
        turns=len(turns),
        gap=median(gaps) if gaps else None,
        longest=max(gaps, default=None),
        interruptions=sum(turn.party == "agent" and turn.interrupted for turn in turns),
        complete=complete,
        words="\n".join(turn.text for turn in turns)[:WORDS_LIMIT],
    )


def folders(root: Path) -> dict[str, Path]:
    """Every call's folder below `root`, by name. A link is none. Raises OSError."""
    return {
        path.name: path
        for path in root.iterdir()
        if FOLDER_NAME.fullmatch(path.name) and not path.is_symlink() and path.is_dir()
    }


def folder_of(root: Path, name: str) -> Path | None:
    """The folder of that name below `root`; None for whatever is no call's name, or not there."""
    if not FOLDER_NAME.fullmatch(name):
        return None
    path = root / name
    return path if not path.is_symlink() and path.is_dir() else None


def _end(folder: Path, keys: Keys) -> tuple[float, str]:
    """(seconds, outcome) by the last whole lines."""
    path = folder / EVENTS
    try:
        with path.open("rb") as file:
            if is_sealed(file.read(_HEAD)):
                file.seek(0)
                data, _ = keys.opened(file.read(), path)
                size, data = len(data), data[-_TAIL:]
            else:
                size = file.seek(0, 2)
                file.seek(max(0, size - _TAIL))
                data = file.read()
    except FileNotFoundError:
        return 0.0, ""
    last = 0
    lines = data.split(b"\n")[:-1]
    for line in reversed(lines[1:] if size > _TAIL else lines):
        try:
            said = _decode_line(line)
        except msgspec.MsgspecError:
            continue
        last = max(last, said.t)
        if said.event == "CallEnded":
            return last / SECOND, said.reason
        if said.event:
            break
    return last / SECOND, ""


def _turns(folder: Path, keys: Keys) -> list[Turn]:
    try:
        return _decode_turns(keys.read_file(folder / TRANSCRIPT))
    except msgspec.MsgspecError as error:
        raise DumpError(f"{folder / TRANSCRIPT}: no transcript ({error})") from None


def _turns_of_lines(folder: Path, keys: Keys) -> list[Turn]:
    """Of a call that was cut off: what its lines tell."""
    turns = []
    path = folder / EVENTS
    try:
        data, _ = keys.opened(path.read_bytes(), path)
    except FileNotFoundError:
        return []
    for line in data.split(b"\n"):
        if b'"TurnTaken"' in line:
            try:
                turn = _decode_line(line).turn
            except msgspec.MsgspecError:
                continue
            if turn is not None:
                turns.append(turn)
    return turns
