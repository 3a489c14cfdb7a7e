"""`python -m server.console.rerun`: one recorded call put through the machine again, with other settings, models or instructions, as
`allo replay` does. A request on stdin; lines of JSON on stdout say what it is doing and how it ended; both runs are written as dumps."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from pipelines.errors import AlloError
from pipelines.replay.dump import Dump, read_dump
from pipelines.replay.policy import changed
from pipelines.replay.recorded import RecordedAnswers
from pipelines.replay.sealed import Keys
from pipelines.replay.virtual import run
from pipelines.units import SECOND
from server.config import Config, load
from server.observe.redaction import write_dump

BEFORE, AFTER = "before", "after"
"""Folders of the two runs, below `into`."""


class Request(msgspec.Struct, frozen=True):
    """`answers`: "recording", "models" or "agent" (models, and the agent answers anew); `settings`: "key=value" of turn-taking; `source`:
    the configuration's file, "" for the example; `stt`, `instructions`: instead of the configured ones, "" for those."""

    folder: str
    into: str
    answers: str = "recording"
    settings: tuple[str, ...] = ()
    source: str = ""
    stt: str = ""
    instructions: str = ""


class Told(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line: what it is `doing`; or that it is `done`, with how much was `guessed`, by kind; or the `error`."""

    doing: str = ""
    done: bool = False
    guessed: dict[str, int] = {}
    error: str = ""


def tell(told: Told) -> None:
    sys.__stdout__.buffer.write(msgspec.json.encode(told) + b"\n")
    sys.__stdout__.buffer.flush()


def _progress(whole_us: int):
    last = -1

    def reached(at: int) -> None:
        nonlocal last
        second = at // SECOND
        if second > last:
            last = second
            tell(Told(doing=f"second {second} of {whole_us // SECOND}"))

    return reached


def rerun(request: Request) -> dict[str, int]:
    """Write both runs; how many answers were guessed. Raises AlloError, OSError."""
    keys = Keys.of_environment(os.environ)
    recorded = read_dump(Path(request.folder), keys)
    into = Path(request.into)
    if request.answers == "recording":
        own = recorded.meta.settings
        other = changed(own, request.settings)
        before = RecordedAnswers(recorded), own
        after = RecordedAnswers(recorded), other
        write_dump(into / BEFORE, run(recorded, *before, progress=_progress(recorded.duration_us)), keys)
        write_dump(into / AFTER, run(recorded, *after, progress=_progress(recorded.duration_us)), keys)
        return after[0].guessed
    from server.cli_replay import as_configured, run_with
    from server.replay_models import models_of

    config = _changed(load(Path(request.source) if request.source else None), request, recorded)
    with models_of(
        config, recorded.meta, request.answers == "agent", lambda what: tell(Told(doing=f"loading {what}"))
    ) as models:
        models = msgspec.structs.replace(models, settings=changed(models.settings, request.settings))
        caller = as_configured(recorded, models)
        now = run_with(caller, models, True, _progress(recorded.duration_us))
    write_dump(into / BEFORE, recorded, keys)
    write_dump(into / AFTER, now, keys)
    return {}


def _changed(config: Config, request: Request, recorded: Dump) -> Config:
    if request.stt:
        stt = config.models.stt.model_copy(update={"model": request.stt, "kind": None})
        config = config.model_copy(update={"models": config.models.model_copy(update={"stt": stt})})
    if request.instructions:
        wanted = config.agent_named(recorded.meta.agent) or config.agents[0]
        agents = [
            agent.model_copy(update={"instructions": request.instructions}) if agent is wanted else agent
            for agent in config.agents
        ]
        config = config.model_copy(update={"agents": agents})
    return config


def main() -> int:
    os.umask(0o077)
    sys.stdout = sys.stderr  # what libraries print is for nobody
    try:
        guessed = rerun(msgspec.json.decode(sys.stdin.buffer.read(), type=Request))
    except AlloError as error:
        tell(Told(error=str(error)))
        return 1
    except OSError as error:
        tell(Told(error=error.strerror or type(error).__name__))
        return 1
    except Exception as error:  # a tool, or a recording that holds something new
        with suppress(OSError):
            tell(Told(error=f"it failed ({type(error).__name__})."))
        return 1
    tell(Told(done=True, guessed=guessed))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
