"""Which adapter runs which kind of model, by port. Adapters are imported when one is wanted: torch takes seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError
from pipelines.models import self_test
from pipelines.models.card import ModelCard, Port


def _faster_whisper(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.stt.faster_whisper import FasterWhisper

    return FasterWhisper(folder, threads=threads, beam=beam)


def _ctc(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.stt.ctc import Ctc

    return Ctc(folder, threads=threads)


def _wav2vec2(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.stt.wav2vec2 import Wav2Vec2

    return Wav2Vec2(folder, threads=threads)


def _silero(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.vad.silero import SileroVad

    return SileroVad(folder)


def _dtln(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.denoise.dtln import Dtln

    return Dtln(folder)


def _smart_turn(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.turn.smart_turn import SmartTurn

    return SmartTurn(folder)


def _emotion_functionals(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.emotion.linear import FunctionalsEmotion

    return FunctionalsEmotion(folder)


def _emotion_frames(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.emotion.frames import FramesEmotion

    return FramesEmotion(folder, threads=threads)


def _emotion_ssl(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.emotion.ssl import SslEmotion

    return SslEmotion(folder, threads=threads)


def _sentiment_linear(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.sentiment.linear import LinearSentiment

    return LinearSentiment(folder)


def _sentiment_encoder(folder: Path, threads: int, beam: int) -> Any:
    from pipelines.adapters.sentiment.encoder import EncoderSentiment

    return EncoderSentiment(folder, threads=threads)


_LOAD: dict[Port, dict[str, Callable[[Path, int, int], Any]]] = {
    "stt": {"faster-whisper": _faster_whisper, "ctc": _ctc, "wav2vec2": _wav2vec2},
    "vad": {"silero": _silero},
    "denoise": {"dtln": _dtln},
    "turn": {"smart-turn": _smart_turn},
    "emotion": {
        "emotion-functionals": _emotion_functionals,
        "emotion-frames": _emotion_frames,
        "emotion-ssl": _emotion_ssl,
    },
    "sentiment": {"sentiment-linear": _sentiment_linear, "sentiment-encoder": _sentiment_encoder},
}

NEEDS: dict[str, tuple[str, ...]] = {
    "ctc": ("torch", "safetensors"),
    "wav2vec2": ("torch", "transformers"),
    "emotion-ssl": ("torch", "transformers"),
}
"""Packages of a kind that are not of the plain installation."""

INSTALL = "pip install 'allo[train]'"
"""What brings them."""


def known(port: Port) -> tuple[str, ...]:
    """The kinds that can be loaded here; () for ports whose models are opened by what uses them ("tts", "llm")."""
    return tuple(_LOAD.get(port, ()))


def load(port: Port, kind: str, folder: Path, *, threads: int = 1, beam: int = 5) -> Any:
    """The model in `folder`, whose files are trusted, as its port in `pipelines.models.ports`. `beam`: of recognisers that search.
    Raises ModelError."""
    if kind not in known(port):
        raise ModelError(f"nothing here runs models for {port} of kind {kind!r}. Known: {', '.join(known(port))}.")
    try:
        return _LOAD[port][kind](folder, threads, beam)
    except ModuleNotFoundError as error:
        if error.name not in NEEDS.get(kind, ()):
            raise
        raise ModelError(
            f"{folder.name} is a model of kind {kind}, which needs {error.name}; it is not installed. Run: {INSTALL}"
        ) from error


def load_added(card: ModelCard, folder: Path, *, threads: int = 1, beam: int = 5) -> Any:
    """The same for an exported model, which must pass its self-test on this machine, with the packages that are here today.
    It takes about as long as the loading itself warms up (0.1 s for Whisper base), so it is run each time."""
    model = load(card.port, card.kind, folder, threads=threads, beam=beam)
    if wrong := self_test.differs(card.port, model, self_test.load(folder / self_test.FILE)):
        raise ModelError(
            f"{card.name} fails its self-test: {wrong}. It is not used. Export it again with the packages of this machine, "
            "or install those that its card names (allo models show)."
        )
    return model
