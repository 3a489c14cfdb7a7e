"""`allo models`: what weights are known, which of them are here, and how to get the others."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from pipelines.errors import ModelError
from server.config import Config, load
from server.progress import ModelProgress

models = typer.Typer(help="The model store: list, pull, verify.", no_args_is_help=True)

Names = Annotated[
    list[str] | None, typer.Argument(help="Models; without any, what the configuration uses.", show_default=False)
]
ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", help="TOML file.", metavar="FILE")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]


@models.command("list")
def list_models(config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Every known model: what it is for, its licence, its size, and whether it is here."""
    settings = load(config)
    store, used = settings.store(), settings.model_names()
    statuses = store.list()
    if as_json:
        rows = [
            {
                "name": status.card.name,
                "port": status.card.port,
                "kind": status.card.kind,
                "licence": status.card.licence,
                "note": status.card.note,
                "bytes": status.card.size,
                "state": status.state,
                "used": status.card.name in used,
                "folder": str(status.folder),
            }
            for status in statuses
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    table = Table("model", "for", "licence", "MB", "state", "used", title=f"in {store.root}", title_justify="left")
    table.columns[0].no_wrap, table.columns[3].justify = True, "right"
    for status in statuses:
        card = status.card
        colour = {"ready": "green", "unchecked": "yellow", "partial": "yellow", "missing": "dim"}[status.state]
        mark = "yes" if card.name in used else ""
        table.add_row(
            card.name, card.port, card.licence, f"{card.size / 1e6:,.1f}", f"[{colour}]{status.state}[/]", mark
        )
    Console().print(table)


@models.command()
def pull(names: Names = None, config: ConfigFile = None) -> None:
    """Fetch and verify models; what is here already stays."""
    settings = load(config)
    store = settings.store()
    with ModelProgress() as progress:
        for name in _chosen(names, settings):
            store.pull(name, progress)


@models.command()
def verify(names: Names = None, config: ConfigFile = None) -> None:
    """Hash every file of the models again; exits with 1 if one is not what its manifest says."""
    settings = load(config)
    store = settings.store()
    problems = []
    with ModelProgress() as progress:
        for name in _chosen(names, settings):
            try:
                store.verify(name, progress)
            except ModelError as error:
                problems.append(str(error))
    for problem in problems:
        typer.echo(f"allo: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


def _chosen(names: list[str] | None, config: Config) -> list[str]:
    return names or config.model_names()
