"""Speaker encoders by a short name: KIND:DIR."""

from pathlib import Path

from pipelines.adapters import kinds
from pipelines.models.ports import SpeakerEncoder
from training.common.errors import DataError


def open_encoder(name: str) -> SpeakerEncoder:
    """The encoder called "KIND:DIR". Raises DataError for another form, ModelError if there is none in DIR."""
    kind, colon, folder = name.partition(":")
    if not colon or not folder:
        raise DataError(f"{name!r}: write KIND:DIR, with one of the kinds {', '.join(kinds.known('speaker'))}.")
    return kinds.load("speaker", kind, Path(folder))
