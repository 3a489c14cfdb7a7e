"""`allo analyse`: what recorded calls were.

Exit status: 0 analysed (also when the language model could not be asked: that is said), 2 a dump cannot be read or the configuration is wrong.
"""

import asyncio
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console

from pipelines.adapters.agent.engine import EmbeddedEngine
from pipelines.adapters.agent.factory import Endpoint
from pipelines.analysis.analysis import Analysis, Findings, encode
from pipelines.analysis.analyze import analyze
from pipelines.errors import AlloError, DumpError, ModelError
from pipelines.replay.dump import META, Dump, read_dump
from pipelines.replay.sealed import Keys
from server.agents import endpoint, start_engine
from server.analysis.feelings import with_feelings
from server.analysis.findings import find
from server.analysis.page import render
from server.analysis.report import line, report
from server.analysis.speakers import with_speakers
from server.config import Config, load
from server.engines import load_model
from server.observe import log
from server.recording_keys import keys_of
from server.settings import measured

UNREADABLE = 2


def analyse(
    dump: Annotated[Path, typer.Argument(help="A call's folder, or a folder of such folders: a line for each then.")],
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            "-c",
            help="TOML file: its language model, the fields its agent asks for, its models of emotion and sentiment.",
            metavar="FILE",
        ),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    page: Annotated[
        Path | None, typer.Option(help="Write a page: one HTML file, with a picture.", metavar="OUT.html")
    ] = None,
    speakers: Annotated[
        bool,
        typer.Option(
            "--speakers", help="Tell voices on the caller's line apart, also if the call's agent does not ask for it."
        ),
    ] = False,
    without_model: Annotated[
        bool,
        typer.Option(
            "--without-model", help="From the recording alone: no model is asked for a summary, fields or feeling."
        ),
    ] = False,
) -> None:
    """Tell what a recorded call was: who said what and how, overlaps, silences, interruptions, a summary, the fields asked for."""
    if page is not None and page.is_dir():
        raise typer.BadParameter(f"{page} is a folder: name a file", param_hint="--page")
    log.configure("warning", as_json=False)
    try:
        if dump.is_dir() and not (dump / META).exists():
            if page is not None:
                raise typer.BadParameter("a page is of one call: name its folder", param_hint="--page")
            _list(dump, json, keys_of(load(config)))
            return
        settings = load(config)
        recorded = read_dump(dump, keys_of(settings))
        analysis = analyze(recorded)
        if not without_model:
            analysis = _told_apart(_felt(analysis, recorded, settings), recorded, settings, speakers)
            analysis = _with_findings(analysis, settings)
        if page is not None:
            page.write_text(render(analysis, recorded), encoding="utf-8", errors="replace")
    except AlloError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}")
    if json:
        typer.echo(encode(analysis), nl=False)
    else:
        Console(highlight=False).print(report(analysis))


def _list(root: Path, json: bool, keys: Keys) -> None:
    """Every call below `root`, by time; no language model is asked."""
    folders = sorted(path.parent for path in root.glob(f"*/{META}"))
    if not folders:
        raise DumpError(f"{root}: no calls in it; name a call's folder, or one that holds such folders")
    console = Console(highlight=False)
    for folder in folders:
        try:
            analysis = analyze(read_dump(folder, keys))
        except DumpError as error:  # one that is broken hides no other
            Console(stderr=True, highlight=False).print(str(error), markup=False, soft_wrap=True)
            continue
        if json:
            typer.echo(msgspec.json.encode(analysis))
        else:
            console.print(line(analysis, folder.name), markup=False, soft_wrap=True)


def _felt(analysis: Analysis, recorded: Dump, settings: Config) -> Analysis:
    """With the models of emotion and sentiment that the call's agent asks for, where the call had none; one that is not there is left out."""
    agent = settings.agent_named(analysis.agent)
    names = (
        settings.models.emotion.model if agent is not None and agent.emotion else "none",
        settings.models.sentiment.model if agent is not None and agent.sentiment else "none",
    )
    wanted = (not analysis.emotions, not any(turn.sentiment for turn in analysis.turns))
    store = settings.store()
    models: list[Any] = [None, None]
    for n, (name, want) in enumerate(zip(names, wanted, strict=True)):
        if want and name != "none":
            try:
                models[n] = load_model(store, name)
            except ModelError as error:
                typer.echo(f"allo: left out: {error}", err=True)
    return with_feelings(analysis, recorded, *models)


def _told_apart(analysis: Analysis, recorded: Dump, settings: Config, asked: bool) -> Analysis:
    """With who of several said what on the caller's line, where the call's agent wants voices told apart or it is `asked` for, and the call did not
    do it."""
    agent = settings.agent_named(analysis.agent)
    name = settings.models.speaker.model
    if analysis.speakers or name == "none" or not (asked or (agent is not None and agent.tells_voices)):
        return analysis
    try:
        encoder = load_model(settings.store(), name)
    except ModelError as error:
        typer.echo(f"allo: left out: {error}", err=True)
        return analysis
    return with_speakers(analysis, recorded, encoder, measured(recorded.meta.settings, settings.models, None, encoder))


def _with_findings(analysis: Analysis, settings: Config) -> Analysis:
    if not any(turn.heard.strip() for turn in analysis.turns):
        return msgspec.structs.replace(analysis, findings_missing="nobody said anything")
    try:
        with Console(stderr=True).status(f"asking {settings.models.llm.model}"):
            findings = asyncio.run(_ask(analysis, settings))
    except ModelError as error:
        return msgspec.structs.replace(analysis, findings_missing=str(error))
    return msgspec.structs.replace(analysis, findings=findings)


async def _ask(analysis: Analysis, settings: Config) -> Findings:
    agent = settings.agent_named(analysis.agent)
    fields = agent.extract if agent is not None else {}
    llm: EmbeddedEngine | Endpoint
    if settings.models.llm.kind == "openai":
        llm = endpoint(settings.models.llm)
    else:
        llm = await start_engine(settings, settings.models.llm, slots=1)
    try:
        return await find(llm, settings.models.llm.model, analysis, fields)
    finally:
        if isinstance(llm, EmbeddedEngine):
            await llm.close()


def _fail(reason: str) -> None:
    Console(stderr=True, highlight=False).print(reason, markup=False, soft_wrap=True)
    raise typer.Exit(UNREADABLE)
