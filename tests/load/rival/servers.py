"""The two servers that are called: Allô's and the rival's. Each is started for one call, as processes of its own, because a
server that stays finds a repeated script in the language model's prompt cache."""

import asyncio
import json
import os
import subprocess
import venv
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from rich.console import Console

from pipelines.adapters.agent.engine import EmbeddedEngine
from server.caller.host import Host
from server.config import Config
from server.examples.clinic.texts import SAYINGS

_HERE = Path(__file__).parent
_REQUIREMENTS = _HERE / "requirements.txt"
_READY_S = 120.0
_STOP_S = 10.0

INSTRUCTIONS = (
    "You are the telephone receptionist of Riverside Medical Practice. You are warm and brief: one or two short spoken sentences, "
    f"no lists. {SAYINGS['en']['week']} On Saturday and Sunday the practice is closed. On Tuesday, 9 AM, 11:30 AM and 3:30 PM are "
    "free. Never invent another fact. Book only once the caller has chosen a day and a time and has said their name: then say "
    '"You are booked", with day, time and name; ask for what is missing. Give no medical advice; in an emergency, tell the caller '
    "to hang up and dial 112."
)
"""What the rival's agent is told: as Allô's, with the facts in place of the tools, so that each reply is one run of the language
model. With tools it would be two, and slower."""


def home() -> Path:
    """Where the rival lives: outside the repository, and apart from Allô's own packages."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "allo" / "rival"


def install(console: Console) -> Path:
    """The rival's Python, made on first use and again when the requirements have changed."""
    folder = home() / "venv"
    python, done = folder / "bin" / "python", folder / _REQUIREMENTS.name
    if not done.exists() or done.read_bytes() != _REQUIREMENTS.read_bytes():
        console.print(f"installing pipecat into {folder} (500 MB, once) ...")
        venv.create(folder, clear=True, with_pip=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", _REQUIREMENTS]
        subprocess.run(command, check=True)
        done.write_bytes(_REQUIREMENTS.read_bytes())
    return python


@asynccontextmanager
async def allo(folder: Path) -> AsyncIterator[str]:
    """The base URL of `allo serve` as it is shipped. `folder` takes its log, recordings and database."""
    arguments = ["--port", "0", "--dumps", str(folder / "dumps")]
    async with Host(arguments, log=folder / "server.log", environment={"ALLO_DATA": str(folder)}) as host:
        yield await host.ready()


@asynccontextmanager
async def pipecat(python: Path, config: Config, turns: str, log: Path) -> AsyncIterator[str]:
    """The base URL of a pipecat bot on the weights, threads and language model process that `config` gives Allô.
    `turns`: how it takes turns, as `bot.py` says."""
    models, store = config.models, config.store()
    (voice,) = store.path(models.tts["en"].model).glob("*.onnx")
    engine = await EmbeddedEngine.start(
        store.path(models.llm.model) / "model.gguf", threads=models.llm.threads, slots=1
    )
    try:
        order = {
            "whisper": str(store.path(models.stt.model)),
            "voice": str(voice),
            "base_url": engine.base_url,
            "key": (await engine.client()).api_key,
            "instructions": INSTRUCTIONS,
            "turns": turns,
            "greeting": config.agents[0].greeting["en"],
        }
        async with _bot(python, order, models.stt.threads, log) as url:
            yield url
    finally:
        await engine.close()


@asynccontextmanager
async def _bot(python: Path, order: dict[str, str], threads: int, log: Path) -> AsyncIterator[str]:
    # CTranslate2 takes its threads from OpenMP's variable: pipecat's Whisper service has no parameter for them.
    environment = {"LOGURU_LEVEL": "WARNING", **os.environ, "OMP_NUM_THREADS": str(threads)}
    with log.open("wb") as stderr:
        bot = await asyncio.create_subprocess_exec(
            *(python, _HERE / "bot.py"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=stderr,
            env=environment,
        )
    try:
        assert bot.stdin is not None
        assert bot.stdout is not None
        bot.stdin.write(json.dumps(order).encode() + b"\n")
        line = await asyncio.wait_for(bot.stdout.readline(), _READY_S)
        if not line:
            raise SystemExit(f"pipecat's bot did not start: see {log}")
        yield json.loads(line)["url"]
    finally:
        if bot.returncode is None:
            bot.terminate()
            try:
                await asyncio.wait_for(bot.wait(), _STOP_S)
            except TimeoutError:
                bot.kill()
                await bot.wait()
