"""Which adapter runs which kind of speaker encoder. Imported when one is wanted."""

from pathlib import Path

from pipelines.errors import ModelError

KINDS = ("ecapa", "resemblyzer", "speechbrain")


def load(kind: str, folder: Path, *, threads: int = 1):
    """The encoder in `folder`, whose files are trusted. Raises ModelError."""
    if kind == "ecapa":
        from pipelines.adapters.speaker.ecapa import Ecapa

        return Ecapa(folder, threads=threads)
    if kind == "resemblyzer":
        from pipelines.adapters.speaker.resemblyzer import Resemblyzer

        return Resemblyzer(folder, threads=threads)
    if kind == "speechbrain":
        from pipelines.adapters.speaker.speechbrain import SpeechBrain

        return SpeechBrain(folder, threads=threads)
    raise ModelError(f"no speaker encoder here is of kind {kind!r}. Known: {', '.join(KINDS)}.")
