"""`analysis.json`, beside the dump that it is of."""

import os
from pathlib import Path

import msgspec

from pipelines.analysis.analysis import Analysis, decode, encode
from pipelines.errors import DumpError
from pipelines.replay.sealed import PLAIN, Keys

FILE = "analysis.json"


def write_analysis(folder: Path, analysis: Analysis, keys: Keys = PLAIN) -> None:
    """Into a call's folder, whole or not at all, for its owner only. Raises OSError; the folder may have been removed."""
    partial = folder / f".{FILE}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(keys.sealed(encode(analysis), FILE))
    partial.rename(folder / FILE)


def read_analysis(folder: Path, keys: Keys = PLAIN) -> Analysis:
    """Raises DumpError when there is none, or it was written by another version."""
    path = folder / FILE
    try:
        return decode(keys.read_file(path))
    except OSError as error:
        raise DumpError(f"{path}: {error.strerror}") from None
    except msgspec.MsgspecError as error:
        raise DumpError(f"{path}: no analysis of this version of allo ({error})") from None
