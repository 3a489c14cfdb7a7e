"""What is heavy about a recorded call (reading it, drawing it, making sound of it) is done by a child process that gives way to calls, so that no
Python of it holds the interpreter lock against calls under way.

    Workshop.ask(job) -> a length and the job, to the child's stdin -> `server.console.craft` -> a length and the answer, from its stdout

One child, one job at a time; it is started for the first job, killed when one takes too long, and let go after some minutes without any.
"""

import asyncio
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import msgspec

from pipelines.errors import AlloError
from pipelines.replay.sealed import PLAIN, Keys
from server.recording_keys import for_child

ROOT = Path(__file__).parents[2]
_WAITING = 16  # jobs; one more is refused
_JOB_S = 120.0  # for half a second of work: whatever serves calls goes first
_IDLE_S = 300.0
_ANSWER_LIMIT = 64 << 20  # bytes


class WorkshopError(AlloError):
    """A job could not be done, in words for an operator."""


class Job(msgspec.Struct, frozen=True):
    """`what` to do with the call in `folder`: "page", "json", "sound" (into the file `into`), or "versus" with the run of it in `other`.
    `told`: what a page says besides."""

    what: str
    folder: str
    other: str = ""
    into: str = ""
    told: Mapping[str, str | bool | list[str]] = {}


class Answer(msgspec.Struct, frozen=True):
    """`error`: why there is none, "" otherwise."""

    body: bytes = b""
    error: str = ""


def child_environment(keys: Keys) -> dict[str, str]:
    """One core is enough for what is not urgent."""
    return for_child(keys, OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")


class Workshop:
    """Made and closed on one event loop."""

    def __init__(self, keys: Keys = PLAIN) -> None:
        """`keys`: of the recordings."""
        self._keys = keys
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._child: asyncio.subprocess.Process | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def ask(self, job: Job) -> bytes:
        """Raises WorkshopError when it cannot be done, or too many wait."""
        if self._waiting >= _WAITING:
            raise WorkshopError("too much is asked for at once. Try again in a minute.")
        self._waiting += 1
        try:
            async with self._turn:
                return await self._ask(job)
        finally:
            self._waiting -= 1

    async def close(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        await self._dismiss()
        await asyncio.gather(*self._leaving, return_exceptions=True)

    async def _ask(self, job: Job) -> bytes:
        if self._idle is not None:
            self._idle.cancel()
        done = False
        try:
            async with asyncio.timeout(_JOB_S):
                child = await self._hired()
                request = msgspec.msgpack.encode(job)
                child.stdin.write(len(request).to_bytes(8, "big") + request)
                await child.stdin.drain()
                size = int.from_bytes(await child.stdout.readexactly(8), "big")
                if size > _ANSWER_LIMIT:
                    raise WorkshopError("it is too long to be shown.")
                answer = msgspec.msgpack.decode(await child.stdout.readexactly(size), type=Answer)
            done = True
        except (asyncio.IncompleteReadError, ConnectionError, OSError) as error:
            raise WorkshopError(f"the process that draws calls has died ({type(error).__name__}).") from None
        except TimeoutError:
            raise WorkshopError(f"it took longer than {_JOB_S:g} s: the machine is busy with calls.") from None
        finally:
            if not done:  # also when whoever asked went away: what comes next would be the answer to his question
                await self._dismiss()
        self._idle = asyncio.get_running_loop().call_later(_IDLE_S, self._send_home)
        if answer.error:
            raise WorkshopError(answer.error)
        return answer.body

    async def _hired(self) -> asyncio.subprocess.Process:
        if self._child is None or self._child.returncode is not None:
            self._child = await asyncio.create_subprocess_exec(
                sys.executable,
                *("-m", "pipelines.niceness", "server.console.craft"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
                env=child_environment(self._keys),
                cwd=ROOT,
            )
        return self._child

    def _send_home(self) -> None:
        if not self._turn.locked():
            task = asyncio.create_task(self._dismiss())
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)

    async def _dismiss(self) -> None:
        child, self._child = self._child, None
        if child is not None and child.returncode is None:
            with suppress(ProcessLookupError):
                child.kill()
            await child.wait()
