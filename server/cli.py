"""The `allo` command. Each subcommand lives beside what it commands; imports of models stay inside the commands that need them."""

import os
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pipelines.errors import AlloError

# Our matrices are small: BLAS threads only cost time, and the cores belong to the models. Must be set before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = typer.Typer(
    name="allo",
    help="Allô answers the phone.",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

ConfigOption = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file; without it the example agent answers on loopback.", metavar="FILE"),
]


@app.command()
def serve(
    config: ConfigOption = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default from the configuration: 127.0.0.1).")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.", min=0, max=65_535)] = None,
    dumps: Annotated[Path | None, typer.Option(help="Record every call as a folder below DIR.", metavar="DIR")] = None,
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_json: Annotated[
        bool | None, typer.Option("--log-json/--log-text", help="Default: JSON unless on a terminal.")
    ] = None,
) -> None:
    """Answer calls until interrupted."""
    from server.serve import run

    run(config, host=host, port=port, dumps=dumps, log_level=log_level, log_json=log_json)


def _add_commands() -> None:
    from server.cli_analyse import analyse
    from server.cli_call import call
    from server.cli_dial import dial
    from server.cli_diarize import diarize
    from server.cli_dump import dump
    from server.cli_models import models
    from server.cli_replay import make_replay
    from server.cli_simulate import simulate
    from server.cli_voices import voices
    from server.doctor import doctor
    from server.replay_models import open_models

    app.command()(call)
    app.command()(dial)
    app.command("replay")(make_replay(open_models))
    app.command()(analyse)
    app.command()(simulate)
    app.command()(doctor)
    app.command()(diarize)
    app.add_typer(models, name="models")
    app.add_typer(voices, name="voices")
    app.add_typer(dump, name="dump")
    for command in entry_points(group="allo.commands"):  # training's, which serving does not know; and yours
        app.add_typer(command.load(), name=command.name)


def main() -> None:
    """Entry point: errors meant for people are one line, not a traceback."""
    _add_commands()
    try:
        app()
    except AlloError as error:
        Console(stderr=True).print(f"[bold red]allo:[/] {error}", highlight=False, soft_wrap=True)
        raise SystemExit(2) from None
