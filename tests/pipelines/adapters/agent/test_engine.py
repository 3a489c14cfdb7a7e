"""The embedded model, with the real weights: about 30 s on two free cores."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import date
from pathlib import Path

import openai
import pytest

from pipelines.adapters.agent.engine import EmbeddedEngine, physical_cores
from pipelines.adapters.agent.factory import AgentFactory
from pipelines.adapters.agent.openai_agents import AgentLimits
from pipelines.errors import ModelError
from pipelines.events import HangUpRequested, ToolExpected, ToolStarted
from server.examples.clinic.texts import INSTRUCTIONS
from server.tools.toolbox import Toolbox
from tests.helpers.agent import NOW, QWEN, answer, words

needs_weights = pytest.mark.skipif(not QWEN.is_file(), reason=f"no weights at {QWEN}: run `allo models pull`")
# Nothing here is about speed, and other work may share the cores: what must happen is waited for, and these only end a test in which it
# never does.
HANGS_S = 1_200
PATIENT = AgentLimits(first_token_s=HANGS_S, model_s=HANGS_S, tool_s=HANGS_S)
REPOSITORY = Path(__file__).parents[4]


def test_there_is_a_core() -> None:
    assert 1 <= physical_cores() <= (os.cpu_count() or 1)


async def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no language model at"):
        await EmbeddedEngine.start(tmp_path / "model.gguf")


async def test_broken_weights_do_not_start(tmp_path: Path) -> None:
    broken = tmp_path / "model.gguf"
    broken.write_bytes(b"GGUF" + bytes(1_000))
    with pytest.raises(ModelError, match="did not load"):
        await EmbeddedEngine.start(broken)


def _alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@needs_weights
@pytest.mark.timeout(HANGS_S)
async def test_the_clinic_on_the_embedded_model(tmp_path: Path) -> None:
    engine = await EmbeddedEngine.start(QWEN, context=4096, slots=2, ready_s=HANGS_S)
    box = await Toolbox.open(["clinic"], transfer_number="+15550199", data=tmp_path, today=date(2026, 11, 24))
    try:
        factory = AgentFactory(
            engine, instructions=INSTRUCTIONS, examples=box.examples, tools=box.tools, limits=PATIENT
        )
        await factory.warm(["en"], NOW)
        agent = factory.open("c", "", "", "en", NOW)

        events = await answer(agent, 1, "Do you have an appointment tomorrow morning?")
        assert [e.tool for e in events if isinstance(e, ToolExpected | ToolStarted)] == ["find_slots"] * 2
        assert "Wednesday, November 25th" in words(events)

        # A reply that is cut short frees its slot, and the next one is answered.
        async for _ in agent.reply(2, "Hello, can you hear me?", "en"):
            break
        agent.remember(2, "Yes,")
        assert any(isinstance(e, HangUpRequested) for e in await answer(agent, 3, "That's all, thanks, goodbye."))
        await agent.settled()

        # Nobody without the key, though the port is open to the whole machine.
        async with openai.AsyncOpenAI(base_url=engine.base_url, api_key="wrong", max_retries=0) as stranger:
            with pytest.raises(openai.AuthenticationError):
                await stranger.models.list()

        # A crash is an error of the reply that met it, and is mended.
        assert engine.pid is not None
        os.kill(engine.pid, signal.SIGKILL)
        plain = AgentFactory(engine, instructions="You answer the telephone.", limits=PATIENT)
        agent = plain.open("d", "", "", "en", NOW)
        said: str | None = None
        while said is None:
            with suppress(ModelError):
                said = words(await answer(agent, 1, "Hello, can you hear me?"))
        assert said
        assert not re.search(r"[*#`{}\n]", said)
        assert engine.restarts >= 1
    finally:
        await box.close()
        pid = engine.pid
        await engine.close()
    assert pid is not None
    assert not _alive(pid)


@needs_weights
@pytest.mark.timeout(60)
async def test_the_child_does_not_outlive_a_killed_parent() -> None:
    program = (
        "import asyncio\n"
        "from pipelines.adapters.agent.engine import EmbeddedEngine\n"
        "async def main():\n"
        f"    engine = await EmbeddedEngine.start({str(QWEN)!r}, context=512, slots=1)\n"
        "    print(engine.pid, flush=True)\n"
        "    await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=subprocess.PIPE, cwd=REPOSITORY, start_new_session=True
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    assert _alive(child)
    parent.kill()
    await parent.wait()
    async with asyncio.timeout(10):
        while _alive(child):  # noqa: ASYNC110 (another process sets no event)
            await asyncio.sleep(0.05)
