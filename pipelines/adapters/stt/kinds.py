"""Which adapter runs which kind of speech recogniser. Adapters are imported when one is wanted: torch takes seconds."""

from collections.abc import Callable
from pathlib import Path

from pipelines.errors import ModelError
from pipelines.models import self_test
from pipelines.models.card import ModelCard
from pipelines.models.ports import SpeechToText


def _faster_whisper(folder: Path, threads: int, beam: int) -> SpeechToText:
    from pipelines.adapters.stt.faster_whisper import FasterWhisper

    return FasterWhisper(folder, threads=threads, beam=beam)


def _ctc(folder: Path, threads: int, beam: int) -> SpeechToText:
    from pipelines.adapters.stt.ctc import Ctc

    return Ctc(folder, threads=threads)


def _wav2vec2(folder: Path, threads: int, beam: int) -> SpeechToText:
    from pipelines.adapters.stt.wav2vec2 import Wav2Vec2

    return Wav2Vec2(folder, threads=threads)


_LOAD: dict[str, Callable[[Path, int, int], SpeechToText]] = {
    "faster-whisper": _faster_whisper,
    "ctc": _ctc,
    "wav2vec2": _wav2vec2,
}

KINDS = tuple(_LOAD)

NEEDS: dict[str, tuple[str, ...]] = {"ctc": ("torch", "safetensors"), "wav2vec2": ("torch", "transformers")}
"""Packages of a kind that are not of the plain installation."""

INSTALL = "pip install 'allo[train]'"
"""What brings them."""


def load(kind: str, folder: Path, *, threads: int, beam: int = 5) -> SpeechToText:
    """The recogniser in `folder`, whose files are trusted. `beam`: of kinds that search. Raises ModelError."""
    if kind not in _LOAD:
        raise ModelError(f"no recogniser here runs models of kind {kind!r}. Known: {', '.join(KINDS)}.")
    try:
        return _LOAD[kind](folder, threads, beam)
    except ModuleNotFoundError as error:
        if error.name not in NEEDS.get(kind, ()):
            raise
        raise ModelError(
            f"{folder.name} is a model of kind {kind}, which needs {error.name}; it is not installed. Run: {INSTALL}"
        ) from error


def load_added(card: ModelCard, folder: Path, *, threads: int, beam: int = 5) -> SpeechToText:
    """The same for an exported model, which must pass its self-test on this machine, with the packages that are here today.
    It takes about as long as the loading itself warms up (0.1 s for Whisper base), so it is run each time."""
    model = load(card.kind, folder, threads=threads, beam=beam)
    if wrong := self_test.differs(model, self_test.load(folder / self_test.FILE)):
        raise ModelError(
            f"{card.name} fails its self-test: {wrong}. It is not used. Export it again with the packages of this machine, "
            "or install those that its card names (allo models show)."
        )
    return model
