"""Recipes: one TOML file says what is trained on what, and how. Checked as a whole before anything starts."""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.problems import explain, listed, read_table
from training.common.errors import RecipeError


class Section(BaseModel):
    """A table of a recipe: an unknown key is an error, nothing changes once it is read."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


Recipe = TypeVar("Recipe", bound=Section)


def load(path: Path, model: type[Recipe], overrides: Iterable[str] = ()) -> Recipe:
    """The recipe in a TOML file. `overrides`: "key=value" with dots for tables and TOML's way to write values ("loop.steps=200",
    'net="lstm"'; a bare word is taken as text). Raises RecipeError with every problem."""
    table = read_table(path, error=RecipeError, mend="Mend the path of the recipe.")
    for override in overrides:
        _override(table, override)
    try:
        return model.model_validate(table)
    except ValidationError as error:
        raise RecipeError(listed(path, explain(error, model))) from error


def _override(table: dict[str, Any], override: str) -> None:
    key, equals, written = override.partition("=")
    if not equals or not key.strip():
        raise RecipeError(f'"{override}" sets nothing. Write key=value, as in loop.steps=200.')
    *tables, last = key.strip().split(".")
    for name in tables:
        table = table.setdefault(name, {})
        if not isinstance(table, dict):
            raise RecipeError(f'"{override}": {name} is no table.')
    table[last] = _value(written.strip())


def _value(written: str) -> Any:
    try:
        return tomllib.loads(f"value = {written}")["value"]
    except tomllib.TOMLDecodeError:
        return written
