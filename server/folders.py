"""Where Allô keeps what outlives a call, but for recordings and models."""

import os
from pathlib import Path


def data_dir() -> Path:
    """For databases of the shipped tools, and the voice book: $ALLO_DATA, or the user's data folder. It is made if need be."""
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    folder = Path(os.environ.get("ALLO_DATA") or Path(base) / "allo")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
