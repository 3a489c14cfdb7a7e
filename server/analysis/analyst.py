"""Analyses of recorded calls, made after them and never at the cost of another.

    call ends -> dump on disk -> a child process at niceness 19 writes analysis.json -> the language model is asked, once -> analysis.json again

The child computes what the dump tells, so nothing of it runs in the process that carries calls. The embedded model is asked only while there is no
call at all, and stops as soon as one begins: at most a piece of the question (some 200 tokens) is still read, while the caller hears the greeting.
The question that was cut off is put again when it is quiet. An endpoint computes elsewhere: it is asked at once.

Both queues are bounded. What is not done when the server stops is not done; `allo analyse` does it from the dump.
"""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

import msgspec
import structlog

from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.factory import Endpoint
from pipelines.analysis.analysis import Findings
from pipelines.analysis.files import read_analysis, write_analysis
from pipelines.errors import DumpError, ModelError
from pipelines.replay.sealed import PLAIN, Keys
from server.agent_config import AgentConfig, ExtractedField
from server.analysis.findings import find
from server.recording_keys import for_child

WAITING = 64
"""Calls that may wait for their analysis, and that may wait for the language model."""
_CHILD_S = 300.0  # for half a second of work: whatever serves calls goes first
_TRIES = 3  # times that calls may cut the model off
_ROOT = Path(__file__).parents[2]

log = structlog.get_logger()


def _command(folder: Path) -> tuple[str, ...]:
    return sys.executable, "-m", "pipelines.niceness", "pipelines.analysis", str(folder.absolute())


class _Question(msgspec.Struct):
    folder: Path
    fields: Mapping[str, ExtractedField]
    tries: int = 0


class Analyst:
    """Made, used and closed on one event loop. `count` is called with "written", "failed", "left_out" (too many waited), "found", "not_found"."""

    def __init__(
        self,
        llm: EmbeddedEngine | Endpoint | None,
        model: str,
        quiet: asyncio.Event,
        count: Callable[[str], None],
        keys: Keys = PLAIN,
    ) -> None:
        """`llm`: None for no summaries; `model`: its name; `quiet`: set while there is no call; `keys`: of the recordings."""
        self._keys = keys
        self._llm, self._model, self._quiet, self._count = llm, model, quiet, count
        self._recorded: asyncio.Queue[tuple[Future[Path | None], AgentConfig]] = asyncio.Queue(WAITING)
        self._questions: deque[_Question] = deque()
        self._asked = asyncio.Event()  # there is a question
        self._asking: asyncio.Task[None] | None = None
        self._tasks = [
            asyncio.create_task(self._write_all(), name="analyses"),
            asyncio.create_task(self._ask_all(), name="findings"),
        ]

    def take(self, recorded: Future[Path | None], agent: AgentConfig) -> None:
        """A call of `agent` is over; `recorded` will hold its dump, or None. Returns at once."""
        try:
            self._recorded.put_nowait((recorded, agent))
        except asyncio.QueueFull:
            self._count("left_out")

    def call_begins(self) -> None:
        """The embedded model stops whatever it does for calls that are over."""
        if self._asking is not None and isinstance(self._llm, EmbeddedEngine):
            self._asking.cancel()

    async def aclose(self) -> None:
        """Stop, in the middle of it if need be. Harmless when called twice."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # ---- what the dump tells

    async def _write_all(self) -> None:
        while True:
            recorded, agent = await self._recorded.get()
            folder = await asyncio.wrap_future(recorded)
            if folder is None:
                continue
            try:
                done = await self._write(folder)
            except OSError:  # no process could be started: the next one may
                done = False
            if not done:
                self._count("failed")
                log.warning("analysis_failed", dump=folder.name)
                continue
            self._count("written")
            if agent.kind == "llm" and self._llm is not None:
                self._ask_for(_Question(folder, agent.extract))

    async def _write(self, folder: Path) -> bool:
        """Let a child write the file. Whether it did."""
        child = await asyncio.create_subprocess_exec(
            *_command(folder),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=for_child(self._keys, OPENBLAS_NUM_THREADS="1"),
            cwd=_ROOT,
        )
        try:
            async with asyncio.timeout(_CHILD_S):
                return await child.wait() == 0
        except TimeoutError:
            return False
        finally:
            if child.returncode is None:
                with suppress(ProcessLookupError):
                    child.kill()
                await child.wait()

    # ---- what the model finds

    def _ask_for(self, question: _Question) -> None:
        if len(self._questions) >= WAITING:
            self._questions.popleft()  # the oldest has waited longest, and its call is least news
            self._count("left_out")
        self._questions.append(question)
        self._asked.set()

    async def _ask_all(self) -> None:
        while True:
            await self._asked.wait()
            while isinstance(self._llm, EmbeddedEngine) and not self._quiet.is_set():
                await self._quiet.wait()
            question = self._questions.popleft()
            if not self._questions:
                self._asked.clear()
            self._asking = asking = asyncio.create_task(self._ask(question), name="finding")
            try:
                await asyncio.wait([asking])
            finally:
                asking.cancel()  # if this task was
                self._asking = None
            if asking.cancelled():
                await self._again(question)
            elif (error := asking.exception()) is not None:  # a defect costs this analysis, not the next
                log.error("findings_failed", dump=question.folder.name, error=type(error).__name__)
                await self._keep(question.folder, None, f"it failed: {type(error).__name__}")

    async def _again(self, question: _Question) -> None:
        """A call cut it off."""
        question.tries += 1
        if question.tries < _TRIES:
            self._ask_for(question)
        else:
            await self._keep(question.folder, None, "calls came in between")

    async def _ask(self, question: _Question) -> None:
        assert self._llm is not None
        found, missing = None, "nobody said anything"
        try:
            analysis = await asyncio.to_thread(read_analysis, question.folder, self._keys)
            if any(turn.heard.strip() for turn in analysis.turns):
                found, missing = await find(self._llm, self._model, analysis, question.fields), ""
        except ModelError as error:
            missing = str(error)
            log.warning("findings_missing", dump=question.folder.name, reason=missing)
        except DumpError:  # removed meanwhile
            self._count("not_found")
            return
        await self._keep(question.folder, found, missing)

    async def _keep(self, folder: Path, found: Findings | None, missing: str) -> None:
        try:
            await asyncio.to_thread(_rewrite, folder, found, missing, self._keys)
        except (DumpError, OSError) as error:
            found = None
            log.warning("analysis_not_written", dump=folder.name, error=type(error).__name__)
        self._count("found" if found else "not_found")


def _rewrite(folder: Path, found: Findings | None, missing: str, keys: Keys) -> None:
    analysis = read_analysis(folder, keys)
    write_analysis(folder, msgspec.structs.replace(analysis, findings=found, findings_missing=missing), keys)
