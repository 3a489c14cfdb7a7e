"""Following a call's dump while the server writes it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import msgspec

from pipelines.actions import Turn, TurnTaken
from pipelines.replay.dump import EVENTS, TRANSCRIPT
from pipelines.replay.sealed import PLAIN, Keys

_POLL_S = 0.1
_FINISH_S = 10.0


def find_dump(dumps: Path, call_id: str) -> Path | None:
    """The folder of a call below the folder of all dumps, if it is there yet."""
    return next(iter(dumps.glob(f"*-{call_id}")), None)


async def turns_of(dumps: Path, call_id: str, over: Callable[[], bool], keys: Keys = PLAIN) -> AsyncIterator[Turn]:
    """Each turn of a call as soon as the dump has it (up to half a second after it was taken). Ends when the dump is
    complete, or ten seconds after the call was `over`."""
    decode = msgspec.json.Decoder(TurnTaken).decode
    clock = asyncio.get_running_loop().time
    deadline: float | None = None
    read = 0
    while True:
        folder = find_dump(dumps, call_id)
        complete = folder is not None and (folder / TRANSCRIPT).exists()
        if folder is not None and (folder / EVENTS).exists():
            written, _ = keys.opened((folder / EVENTS).read_bytes(), folder / EVENTS)
            *lines, rest = written[read:].split(b"\n")
            read = len(written) - len(rest)
            for line in lines:
                if b'"action":"TurnTaken"' in line:
                    yield decode(line).turn
        if deadline is None and over():
            deadline = clock() + _FINISH_S
        if complete or (deadline is not None and clock() > deadline):
            return
        await asyncio.sleep(_POLL_S)
