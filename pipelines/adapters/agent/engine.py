"""A language model that runs on this machine, as a supervised child process with an OpenAI-compatible endpoint on
loopback."""

import asyncio
import contextlib
import json
import os
import secrets
import sys
from collections import deque
from pathlib import Path

import structlog
from openai import AsyncOpenAI

from pipelines.errors import ModelError

log = structlog.get_logger()

_BACK_OFF_S = (0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
_STABLE_S = 60.0  # a process that lived this long starts the back-off anew
_END_S = 3.0


class EmbeddedEngine:
    """One llama.cpp process with its weights, for all calls. Started with `start`, ended with `close`; restarted when
    it dies."""

    def __init__(self, order: dict[str, object], ready_s: float) -> None:
        self._order = order
        self._ready_s = ready_s
        self._key = secrets.token_urlsafe(24)
        self._process: asyncio.subprocess.Process | None = None
        self._last_words: deque[str] = deque(maxlen=20)
        self._up = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None
        self._client: AsyncOpenAI | None = None
        self.base_url = ""
        """Where the endpoint listens now (`http://127.0.0.1:PORT/v1`); a restart changes the port."""
        self.restarts = 0

    @classmethod
    async def start(
        cls,
        model_path: str | Path,
        *,
        threads: int | None = None,
        context: int = 8192,
        slots: int = 4,
        cache_mib: int = 512,
        ready_s: float = 300.0,  # of a busy machine; a process that died is noticed at once
    ) -> "EmbeddedEngine":
        """Load a GGUF file and wait until it answers.

        `threads`: for inference (default: physical cores this process may use). `context`: tokens shared by all calls.
        `slots`: calls answered at the same moment; more wait. `cache_mib`: main memory for prompt prefixes that lost
        their slot. Raises `ModelError` when it cannot be loaded within `ready_s` seconds.
        """
        path = Path(model_path)
        if not await asyncio.to_thread(path.is_file):
            raise ModelError(f"no language model at {path}: run `allo models pull`")
        order = {
            "model": str(path),
            "threads": threads or physical_cores(),
            "context": context,
            "slots": slots,
            "cache_mib": cache_mib,
        }
        engine = cls(order, ready_s)
        await engine._spawn()
        engine._supervisor = asyncio.create_task(engine._supervise(), name="llama-supervisor")
        return engine

    @property
    def pid(self) -> int | None:
        """Process id of the child, None when there is none."""
        return self._process.pid if self._process and self._process.returncode is None else None

    async def client(self) -> AsyncOpenAI:
        """A client of the endpoint; waits while the process is being restarted (the caller sets the time limit)."""
        await self._up.wait()
        assert self._client is not None
        return self._client

    async def close(self) -> None:
        """End the process. Harmless when called twice."""
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.gather(self._supervisor, return_exceptions=True)
            self._supervisor = None
        await self._end()

    async def _spawn(self) -> None:
        # Some ten microseconds of spinning at OpenMP's barriers: a thread that sleeps at each makes a token cost 57 to 68 ms
        # instead of 38 to 50, one that spins on starves recognition and synthesis on the same cores (two cores, AMD EPYC).
        environment = {**os.environ, "GOMP_SPINCOUNT": "5000"}
        self._process = process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "pipelines.adapters.agent.llama_process"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=environment,
            cwd=Path(__file__).parents[3],
        )
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        drain = asyncio.create_task(self._drain(process.stderr), name="llama-stderr")
        try:
            process.stdin.write(json.dumps({**self._order, "key": self._key}).encode() + b"\n")
            async with asyncio.timeout(self._ready_s):
                line = await process.stdout.readline()
            if not line:
                await drain
                raise ModelError(f"the language model did not load: {' '.join(self._last_words) or 'no reason given'}")
            self.base_url = json.loads(line)["base_url"]
        except TimeoutError:
            await self._end()
            raise ModelError(f"the language model was not ready within {self._ready_s:g} s") from None
        except BaseException:
            await self._end()
            raise
        self._client = AsyncOpenAI(base_url=self.base_url, api_key=self._key, max_retries=0)
        self._up.set()

    async def _drain(self, stderr: asyncio.StreamReader) -> None:
        async for line in stderr:
            self._last_words.append(line.decode(errors="replace").strip()[:300])

    async def _supervise(self) -> None:
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            started = loop.time()
            if self._process is not None:
                code = await self._process.wait()
                await self._end()
                log.error("language_model_died", code=code, restarts=self.restarts)
            failures = 0 if loop.time() - started > _STABLE_S else failures
            await asyncio.sleep(_BACK_OFF_S[min(failures, len(_BACK_OFF_S) - 1)])
            failures += 1
            self.restarts += 1
            try:
                await self._spawn()
            except (ModelError, OSError) as error:
                log.error("language_model_not_restarted", error=str(error))

    async def _end(self) -> None:
        self._up.clear()
        if self._client is not None:
            await self._client.close()
            self._client = None
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            assert process.stdin
            process.stdin.close()  # its sign to leave
            try:
                async with asyncio.timeout(_END_S):
                    await process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def physical_cores() -> int:
    """Cores this process may use, hyper-threads counted once (Linux; elsewhere the number of CPUs)."""
    try:
        cpus = os.sched_getaffinity(0)
        siblings = {Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list").read_text() for cpu in cpus}
    except (AttributeError, OSError):
        return os.cpu_count() or 1
    return len(siblings)
