"""`allo models`: what weights are known, which of them are here, how to get the others, and how to add one's own."""

import json
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from pipelines.adapters import kinds
from pipelines.errors import ModelError
from pipelines.models import added, exported
from pipelines.models.store import Status, Store
from server.config import Config, load
from server.model_card import render
from server.progress import ModelProgress

models = typer.Typer(help="The model store: list, show, pull, verify, add, remove.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A model.", show_default=False)]
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
                "added": status.card.name in store.registry.added,
                "folder": str(status.folder),
            }
            for status in statuses
        ]
        rows += [
            {"name": name, "state": "broken", "reason": reason, "used": name in used, "added": True}
            for name, reason in store.registry.broken.items()
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    console = Console()
    own = [status for status in statuses if status.card.name in store.registry.added]
    console.print(_table(f"in {store.root}", [status for status in statuses if status not in own], used))
    if own:
        console.print(_table("from your own training", own, used, kinds_too=True))
    for reason in store.registry.broken.values():
        typer.echo(f"allo: {reason}", err=True)


def _table(title: str, statuses: list[Status], used: list[str], kinds_too: bool = False) -> Table:
    heads = ("model", "for", "licence", "MB", "state", "used")
    table = Table(*heads, title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    table.columns[0].no_wrap, table.columns[3].justify = True, "right"
    for status in statuses:
        card = status.card
        colour = {"ready": "green", "unchecked": "yellow", "partial": "yellow", "missing": "dim"}[status.state]
        table.add_row(
            *(
                card.name,
                f"{card.port} ({card.kind})" if kinds_too else card.port,
                escape(card.licence),
                f"{card.size / 1e6:,.1f}" if card.files else "package",
            ),
            *(f"[{colour}]{status.state}[/]", "yes" if card.name in used else ""),
        )
    return table


@models.command()
def show(name: Name, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """A model's card: its licence and files, and of your own training the data, their licences and the figures."""
    store = load(config).store()
    card, folder, trained = store.registry[name], store.root / name, name in store.registry.added
    if not as_json:
        render(card, folder, Console(), trained=trained)
        return
    own = msgspec.to_builtins(exported.read_card(folder).provenance) if trained else None
    typer.echo(json.dumps(msgspec.to_builtins(card) | {"folder": str(folder), "provenance": own}, indent=2))


@models.command()
def add(
    folder: Annotated[Path, typer.Argument(help="What training exported.", show_default=False)],
    replace: Annotated[
        bool, typer.Option("--replace", help="In place of the model of that name added before.")
    ] = False,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Bring a model of your own training into the store, every file checked; then `[models.stt] model = "NAME"` serves it."""
    settings = load(config, check=False)
    card = added.add(settings.store(), folder, replace=replace)
    store = settings.store()  # which knows it now
    store.path(card.name)
    if as_json:
        typer.echo(json.dumps({"name": card.name, "kind": card.kind, "folder": str(store.root / card.name)}, indent=2))
        return
    render(card, store.root / card.name, Console(), trained=True, recipe=False)
    typer.echo(f'{card.name} is in {store.root}. Serve it with: [models.{card.port}] model = "{card.name}"')


@models.command()
def remove(name: Name, config: ConfigFile = None) -> None:
    """Delete a model that was added."""
    store = load(config, check=False).store()
    added.remove(store, name)
    typer.echo(f"{name} is removed from {store.root}.")


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
    """Hash every file of the models again, and run the self-test of those that were added; exits with 1 if one is not what
    it should be."""
    settings = load(config)
    store = settings.store()
    problems = []
    with ModelProgress() as progress:
        for name in _chosen(names, settings):
            try:
                _verify(store, name, progress)
            except ModelError as error:
                problems.append(str(error))
    for problem in problems:
        typer.echo(f"allo: {problem}", err=True)
    if problems:
        raise typer.Exit(1)


def _verify(store: Store, name: str, progress: ModelProgress) -> None:
    folder, card = store.verify(name, progress), store.registry[name]
    if name in store.registry.added:
        kinds.load_added(card, folder, threads=1, encoder=store.path(card.encoder) if card.encoder else None)


def _chosen(names: list[str] | None, config: Config) -> list[str]:
    return names or config.model_names()
