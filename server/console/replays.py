"""Replays that operators ask for: one at a time, in a child process that gives way to calls, with a time limit, a few results kept."""

import asyncio
import secrets
import shutil
import sys
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from pipelines.errors import AlloError
from pipelines.replay.sealed import PLAIN, Keys
from server.console.past_page import SETTINGS
from server.console.rerun import AFTER, BEFORE, Request, Told
from server.console.workshop import ROOT, child_environment

_WAITING = 4
_KEPT = 12
_LIMIT_S = 900.0  # a language model answers a call anew when nothing else is to be done
_LINE = 1 << 20
_INSTRUCTIONS = 20_000  # characters
_SWITCHES = ("hold", "speculate")


class ReplayError(AlloError):
    """A replay is not begun."""


class Replay:
    """One replay. `state`: "waiting", "running", "done", "failed" or "stopped"; `changed`: what is other than in the recording, for people."""

    def __init__(self, name: str, changed: str, into: Path) -> None:
        self.id = secrets.token_hex(8)
        self.name, self.changed, self.into = name, changed, into / self.id
        self.state, self.doing, self.reason = "waiting", "", ""
        self.guessed: dict[str, int] = {}

    @property
    def runs(self) -> tuple[Path, Path]:
        return self.into / BEFORE, self.into / AFTER


class Replays:
    """Made and closed on one event loop."""

    def __init__(self, keys: Keys = PLAIN) -> None:
        """`keys`: of the recordings, and of what is made of them."""
        self._keys = keys
        self._folder = TemporaryDirectory(prefix="allo-replays-", ignore_cleanup_errors=True)
        self._kept: OrderedDict[str, Replay] = OrderedDict()
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._turn = asyncio.Lock()

    def begin(self, folder: Path, request: Request, changed: str) -> Replay:
        """Raises ReplayError when too many wait."""
        if len(self._tasks) >= _WAITING:
            raise ReplayError(f"{_WAITING} replays wait already. Try again when one is done.")
        replay = Replay(folder.name, changed, Path(self._folder.name))
        request = msgspec.structs.replace(request, folder=str(folder), into=str(replay.into))
        self._kept[replay.id] = replay
        while len(self._kept) > _KEPT:
            self._drop(next(iter(self._kept)))
        task = asyncio.create_task(self._run(replay, request), name="replay")
        self._tasks[replay.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(replay.id, None))
        return replay

    def get(self, id: str) -> Replay | None:
        return self._kept.get(id)

    def stop(self, id: str) -> None:
        if id in self._tasks:
            self._tasks[id].cancel()

    def forget(self, name: str) -> None:
        """Drop every replay of a call."""
        for id in [id for id, replay in self._kept.items() if replay.name == name]:
            self.stop(id)
            self._drop(id)

    def _drop(self, id: str) -> None:
        replay = self._kept.pop(id)
        self.stop(id)
        shutil.rmtree(replay.into, ignore_errors=True)

    async def close(self) -> None:
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._folder.cleanup()

    # ---- running

    async def _run(self, replay: Replay, request: Request) -> None:
        try:
            async with self._turn:
                replay.state = "running"
                replay.into.mkdir(mode=0o700)
                async with asyncio.timeout(_LIMIT_S):
                    await self._child(replay, request)
        except asyncio.CancelledError:
            replay.state = "stopped"
            shutil.rmtree(replay.into, ignore_errors=True)
            raise
        except TimeoutError:
            replay.state, replay.reason = "failed", f"it took longer than {_LIMIT_S:g} s."
        except (OSError, ValueError, msgspec.MsgspecError) as error:
            replay.state, replay.reason = "failed", f"no process could do it ({type(error).__name__})."

    async def _child(self, replay: Replay, request: Request) -> None:
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "pipelines.niceness", "server.console.rerun"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=child_environment(self._keys),
            cwd=ROOT,
            limit=_LINE,
        )
        try:
            with suppress(ConnectionError):  # it died: its end says so
                child.stdin.write(msgspec.json.encode(request))
                await child.stdin.drain()
                child.stdin.close()
            async for line in child.stdout:
                told = msgspec.json.decode(line, type=Told)
                replay.doing = told.doing
                if told.error:
                    replay.state, replay.reason = "failed", told.error
                elif told.done:
                    replay.state, replay.guessed = "done", told.guessed
            await child.wait()
            if replay.state == "running":
                replay.state, replay.reason = "failed", "the process has died."
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()


# ---- what is asked for


def asked(form: Mapping[str, str], recognisers: Sequence[str]) -> tuple[Request | None, str]:
    """(what a form asks for, the same in words), or (None, why it cannot be)."""
    settings = []
    for key, *_ in SETTINGS:
        if value := form.get(key, "").strip().removesuffix("ms").strip():
            if not value.isascii() or not value.isdigit() or len(value) > 6:
                return None, f"{key} is a number of milliseconds, such as 400."
            settings.append(f"{key}={value}")
    settings += [f"{key}={form[key]}" for key in _SWITCHES if form.get(key) in ("true", "false")]
    answers = form.get("with", "recording")
    stt = form.get("stt", "")
    instructions = form.get("instructions", "").strip()
    if answers not in ("recording", "models", "agent") or (stt and stt not in recognisers):
        return None, "Choose one of what the form offers."
    if len(instructions) > _INSTRUCTIONS:
        return None, f"Instructions have at most {_INSTRUCTIONS} characters."
    if instructions:
        answers = "agent"
    elif stt and answers == "recording":
        answers = "models"
    told = {
        "recording": "the recording's answers",
        "models": "the configured models",
        "agent": "the configured models and agent",
    }[answers]
    said = [told, *settings, *([stt] if stt else []), *(["other instructions"] if instructions else [])]
    request = Request("", "", answers, tuple(settings), stt=stt, instructions=instructions)
    return request, ", ".join(said)
