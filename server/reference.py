"""Kinds of values in a configuration. Some are named instead of held: secrets ("env:NAME", "file:/run/secrets/name"),
texts ("file:prompt.txt"), paths. A path is relative to the configuration's folder, which is the validation
context."""

import os
import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo


def _located(path: Path, info: ValidationInfo) -> Path:
    return (info.context or Path()) / path.expanduser()


def _read(place: str, info: ValidationInfo) -> str:
    path = _located(Path(place), info)
    try:
        content = path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}. Mend the path or its rights.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text. Write it in UTF-8.") from error
    if not content:
        raise ValueError(f"{path} is empty. Write the value into it.")
    return content


def _secret(reference: object, info: ValidationInfo) -> SecretStr:
    if isinstance(reference, SecretStr):
        return reference
    kind, _, place = reference.partition(":") if isinstance(reference, str) else ("", "", "")
    if kind == "env" and place:
        value = os.environ.get(place, "")
        if not value:
            raise ValueError(f"the environment variable {place} is not set. Set it, or remove the key.")
        return SecretStr(value)
    if kind == "file" and place:
        return SecretStr(_read(place, info))
    raise ValueError('a secret is not written here. Write where it is: "env:NAME" or "file:/path".')


def _text(text: str, info: ValidationInfo) -> str:
    return _read(text.removeprefix("file:"), info) if text.startswith("file:") else text


def shaped(pattern: str, rule: str) -> AfterValidator:
    """A string that matches `pattern` as a whole; `rule` says so to a person, who never meets the pattern."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(f"{rule}. Write it so.")
        return text

    return AfterValidator(check)


def _sound(value: str, info: ValidationInfo) -> str:
    if value in ("soft", "none"):
        return value
    path = _located(Path(value), info)
    if not path.is_file():
        raise ValueError(f'{path} is no file. Write the path of a sound file, or "soft", or "none".')
    return str(path)


Sound = Annotated[str, AfterValidator(_sound)]
FilePath = Annotated[Path, AfterValidator(_located)]
Secret = Annotated[SecretStr, BeforeValidator(_secret)]
Text = Annotated[str, AfterValidator(_text)]
