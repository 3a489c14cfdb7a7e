"""What is wrong with a table of settings, in words: `key: what is wrong. mend`, all of it at once."""

import difflib
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, PydanticUndefined

from pipelines.errors import AlloError

Location = tuple[int | str, ...]


def read_table(path: Path, *, error: type[AlloError], mend: str) -> dict[str, Any]:
    """What a TOML file holds. Raises `error`, with `mend` when there is no such file, and the line when it is not TOML."""
    try:
        with path.open("rb") as stream:
            return tomllib.load(stream)
    except OSError as missing:
        raise error(f"{path}: {missing.strerror}. {mend}") from missing
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as wrong:
        raise error(f"{path}: not TOML: {wrong}. Mend that line.") from wrong


def listed(path: Path, problems: Sequence[str]) -> str:
    """A file's problems, counted, one a line."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return f"{path}: {count}\n" + "\n".join(f"  {problem}" for problem in problems)


def explain(error: ValidationError, root: type[BaseModel]) -> list[str]:
    """The problems of shape and value that pydantic found in a `root`."""
    return [_explain(details, root) for details in error.errors(include_url=False, include_input=False)]


def _explain(details: ErrorDetails, root: type[BaseModel]) -> str:
    location = details["loc"]
    key = _written(location)
    match details["type"]:
        case "extra_forbidden":
            owner = _model_at(root, location[:-1])
            known = list(owner.model_fields) if owner else []
            guess = difflib.get_close_matches(str(location[-1]), known, n=1)
            mend = f"Did you mean `{guess[0]}`?" if guess else f"Known: {', '.join(known)}."
            return f"{key}: unknown key. {mend}"
        case "missing":
            return f"{key}: is missing. Add it."
        case "value_error":
            return f"{key}: {details['msg'].removeprefix('Value error, ')}"
    what = details["msg"]
    what = what[0].lower() + what[1:].rstrip(".")
    return f"{key}: {what}. {_default_mend(root, location)}"


def _default_mend(root: type[BaseModel], location: Location) -> str:
    owner = _model_at(root, location[:-1])
    field = owner.model_fields.get(str(location[-1])) if owner else None
    if field is None or field.default is PydanticUndefined or not isinstance(field.default, bool | int | float | str):
        return "Mend the value."
    default = str(field.default).lower() if isinstance(field.default, bool) else repr(field.default).replace("'", '"')
    return f"Mend the value, or leave it out for {default}."


def _written(location: Location) -> str:
    """A location as one would write it: agents[0].numbers."""
    key = ""
    for step in location:
        if step == "[key]":  # pydantic's word for: the key itself is wrong
            continue
        key += f"[{step}]" if isinstance(step, int) else f".{step}" if key else step
    return key or "configuration"


def _model_at(root: type[BaseModel], location: Location) -> type[BaseModel] | None:
    """The class of the table at `location`; indices and free keys (languages) lead to what the list or table holds."""
    found: type[BaseModel] | None = root
    for step in location:
        if found is not None and step in found.model_fields:
            found = next(_models_in(found.model_fields[str(step)].annotation), None)
    return found


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)
