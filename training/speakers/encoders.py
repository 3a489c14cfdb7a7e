"""Speaker encoders by a short name: KIND:DIR."""

from pathlib import Path

from pipelines.adapters.speaker import kinds
from training.common.errors import DataError


def open_encoder(name: str):
    """The encoder called "KIND:DIR". Raises DataError for another form, ModelError if there is none in DIR."""
    kind, colon, folder = name.partition(":")
    if not colon or not folder:
        raise DataError(f"{name!r}: write KIND:DIR, with one of the kinds {', '.join(kinds.KINDS)}.")
    return kinds.load(kind, Path(folder))
