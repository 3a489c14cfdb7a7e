"""`allo simulate`: callers that are no people, and what the agent made of them.

Exit status: 0 every run kept every rule, 1 one did not, 2 the suite or the configuration is wrong, or a model is missing.
"""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer
from rich.console import Console

from pipelines.errors import AlloError

if TYPE_CHECKING:
    from server.config import Config
    from server.simulate.rules import Run
    from server.simulate.suite import Suite


def simulate(
    suite: Annotated[Path, typer.Argument(help="The callers and the rules: a TOML file.", metavar="SUITE.toml")],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Whose agent is called; without it the example's.", metavar="FILE"),
    ] = None,
    runs: Annotated[int, typer.Option(min=1, help="How often each scenario is played.")] = 1,
    parallel: Annotated[int, typer.Option(min=1, help="How many conversations go on at once.")] = 1,
    only: Annotated[list[str], typer.Option(help="Only this scenario; may be given more than once.")] = [],  # noqa: B006
    voice: Annotated[
        bool,
        typer.Option(
            "--voice",
            help="Real calls with a voice, through a server of their own, in place of text; takes as long as people do.",
        ),
    ] = False,
    dumps: Annotated[
        Path | None, typer.Option(help="With --voice: keep the calls' recordings here.", metavar="DIR")
    ] = None,
    judge: Annotated[
        bool, typer.Option("--judge", help="Have a language model answer the suite's questions (`asks`) too.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, and nothing else, on standard output.")] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write a page with every conversation.", metavar="OUT.html")
    ] = None,
) -> None:
    """Have simulated callers talk to an agent, judge what it did by rules, and say how often it kept them.

    Exit status 1 when a rule was broken in any run.
    """
    from server.config import load
    from server.observe import log
    from server.simulate.report import as_json, page, show
    from server.simulate.suite import load_suite

    log.configure("warning", as_json=False)
    try:
        chosen = _only(load_suite(suite), only)
        played = asyncio.run(
            _play(chosen, load(config), runs, parallel, judge, Voice(config, dumps) if voice else None)
        )
        if report is not None:
            report.write_text(page(played, f"{suite.stem}: simulated callers"), encoding="utf-8", errors="replace")
    except* AlloError as group:
        _fail(str(group.exceptions[0]))
    except* OSError as group:
        _fail(f"{group.exceptions[0]}")
    if json:
        typer.echo(as_json(played), nl=False)
    else:
        show(played, Console(highlight=False))
    if not all(run.passed for run in played):
        raise typer.Exit(1)


def _only(suite: "Suite", names: list[str]) -> "Suite":
    known = {scenario.name for scenario in suite.scenario}
    if unknown := [name for name in names if name not in known]:
        raise AlloError(f"--only {unknown[0]}: the suite has no such scenario. It has {', '.join(sorted(known))}.")
    wanted = [scenario for scenario in suite.scenario if not names or scenario.name in names]
    return suite.model_copy(update={"scenario": wanted})


class Voice(NamedTuple):
    """What real calls need: the configuration's file, and where to keep recordings."""

    config: Path | None
    dumps: Path | None


async def _play(
    suite: "Suite", config: "Config", runs: int, parallel: int, judging: bool, voice: Voice | None
) -> "list[Run]":
    from server.progress import CallsProgress
    from server.simulate.text import TextMode, play_all
    from server.simulate.voice import VoiceMode

    def told(run: "Run") -> None:
        broken = [verdict.rule for verdict in run.verdicts if not verdict.passed]
        outcome = run.fault or ("passed" if run.passed else f"broke {', '.join(broken)}")
        progress.done(f"{run.scenario} ({run.run + 1})", outcome)

    with CallsProgress(len(suite.scenario) * runs) as progress:
        if voice is None:
            mode = TextMode(config, suite, parallel=parallel, judging=judging, progress=progress.say)
        else:
            mode = VoiceMode(
                config, suite, path=voice.config, dumps=voice.dumps, judging=judging, progress=progress.say
            )
        async with mode:
            return await play_all(mode, suite.scenario, runs, parallel, told)


def _fail(reason: str) -> None:
    Console(stderr=True, highlight=False).print(reason, markup=False, soft_wrap=True)
    raise typer.Exit(2)
