"""A server of our own, as a separate process, for the time of a call or of a load test."""

import asyncio
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import aiohttp
import msgspec

from pipelines.errors import AlloError

_STOP_LIMIT_S = 20.0
_POLL_S = 0.1

Progress = Callable[[str], None]


class _Line(msgspec.Struct):
    """What is read of the server's log lines."""

    event: str = ""
    url: str = ""
    what: str = ""


class Host:
    """`allo serve`. Use as an async context manager; stopped at the end, killed if it will not stop."""

    def __init__(
        self,
        arguments: Sequence[str] = (),
        *,
        log: Path,
        cpu: int | None = None,
        environment: dict[str, str] | None = None,
        module: str = "server",
    ) -> None:
        """`arguments` go to `allo serve` (`--port 0` takes a free port); `log` takes its log lines; `cpu`: the one core
        it may use; `module`: what is run as `allo`."""
        self._command = [sys.executable, "-m", module, "serve", "--log-json", *arguments]
        self._log, self._cpu = log, cpu
        self._environment = os.environ | (environment or {})
        self._url: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._loading = "starting"

    async def __aenter__(self) -> "Host":
        cpu = self._cpu
        self.process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            preexec_fn=None if cpu is None else lambda: os.sched_setaffinity(0, {cpu}),
        )
        self._reader = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.terminate()
            try:
                await asyncio.wait_for(self.process.wait(), _STOP_LIMIT_S)
            except TimeoutError:
                self.process.kill()
                await self.process.wait()
        await self._reader

    @property
    def pid(self) -> int:
        return self.process.pid

    async def ready(self, progress: Progress = lambda what: None) -> str:
        """The base URL, once calls can be taken. Raises `AlloError` when the server ends before."""
        while not self._url.done():
            self._check()
            await asyncio.sleep(_POLL_S)
        url = self._url.result()
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as http:
            while not await is_ready(http, url):
                self._check()
                progress(self._loading)
                await asyncio.sleep(_POLL_S)
        return url

    def _check(self) -> None:
        if self._reader.done():
            last = self._log.read_text(errors="replace").strip().splitlines()[-1:] or ["without a word"]
            raise AlloError(f"the server ended before it could take a call: {last[0]} (log: {self._log})")

    async def _read(self) -> None:
        assert self.process.stderr is not None
        with self._log.open("wb", buffering=0) as log:
            async for raw in self.process.stderr:
                log.write(raw)
                try:
                    line = msgspec.json.decode(raw, type=_Line)
                except msgspec.MsgspecError:
                    continue  # not one of the server's own lines: a library's warning, a traceback
                if line.event == "listening" and not self._url.done():
                    self._url.set_result(line.url)
                elif line.event == "loading":
                    self._loading = f"loading {line.what}"


async def is_ready(http: aiohttp.ClientSession, url: str) -> bool:
    """Whether the server at `url` takes calls."""
    try:
        async with http.get(f"{url}/readyz") as response:
            return response.status == 200
    except (aiohttp.ClientError, TimeoutError):
        return False
