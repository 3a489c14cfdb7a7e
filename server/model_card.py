"""A model's card for people: what it is, what it learned from, under which licences, and what was measured."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from pipelines.models import exported, self_test
from pipelines.models.card import ModelCard, kind_of
from pipelines.models.exported import Data, Provenance
from pipelines.units import SAMPLE_RATE


def render(card: ModelCard, folder: Path, console: Console, *, trained: bool, recipe: bool = True) -> None:
    """`trained`: the model has a card of its own in `folder`; `recipe`: show that as well. Raises ModelError when that cannot be read."""
    facts = [
        ("model", card.name),
        ("", card.note),
        ("for", f"{card.port}, run by {card.kind}"),
        ("licence", card.licence),
    ]
    if not trained:
        kinds = dict.fromkeys(kind_of(source) for file in card.files for source in file.sources)
        if card.package is not None:
            facts += [("from", f"the package {card.package.requirement}"), ("install", card.package.install)]
        else:
            facts += [("from", ", ".join(kinds)), ("size", _megabytes(card))]
        console.print(_grid(facts))
        return
    own = exported.read_card(folder).provenance
    test = self_test.load(folder / self_test.FILE)
    facts += [("from", "your own training"), ("size", _megabytes(card)), ("languages", ", ".join(own.languages))]
    facts += [("began from", own.base), ("made", own.made), ("command", own.command), ("seed", str(own.seed))]
    facts += [("code", _code(own)), ("packages", ", ".join(f"{name} {is_}" for name, is_ in own.packages.items()))]
    clip = f"{test.audio.size / SAMPLE_RATE:.1f} s, " if test.audio is not None else ""
    numbers = f"{test.output.size} numbers" if isinstance(test, self_test.VectorTest) else ""
    facts += [
        (
            "self-test",
            f"{clip}{test.language}: {', '.join(filter(None, (repr(test.text)[:80] if test.text else '', numbers)))}",
        )
    ]
    parts = [_grid(facts), *_data(own.data)]
    if own.figures:
        parts += [_grid([("figures", ""), *_flat(own.figures)])]
    if own.recipe and recipe:
        parts += [_grid([("recipe", ""), *_flat(own.recipe)])]
    console.print(Group(*(part for each in parts for part in (each, ""))))


def _megabytes(card: ModelCard) -> str:
    return f"{card.size / 1e6:,.1f} MB in {len(card.files)} files"


def _code(own: Provenance) -> str:
    return (
        f"commit {own.commit}{', with changes that are in no commit' if own.dirty else ''}" if own.commit else "unknown"
    )


def _data(sets: tuple[Data, ...]) -> Iterator[Table]:
    if not sets:
        return
    table = Table("data", "for", "hours", "clips", "licence", box=None, padding=(0, 2, 0, 0))
    for data in sets:
        row = (data.manifest, data.role, f"{data.hours:.2f}", f"{data.clips:,}", data.licence)
        table.add_row(*map(escape, row))
    yield table


def _grid(facts: list[tuple[str, str]]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="bold", no_wrap=True)
    for name, value in facts:
        if name == "" or value or name in ("figures", "recipe"):
            grid.add_row(escape(name), escape(value))
    return grid


def _flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """A table of tables as lines: ("test.wer", "4.2")."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"  {prefix}{key}", f"{value:.4g}" if isinstance(value, float) else str(value)
