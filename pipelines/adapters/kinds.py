"""Which adapter runs which kind of model, by port. Adapters are imported when one is wanted: torch takes seconds."""

from importlib import import_module
from inspect import signature
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError
from pipelines.models import self_test
from pipelines.models.card import ModelCard, Port

_ADAPTERS: dict[Port, dict[str, str]] = {
    "stt": {"faster-whisper": "faster_whisper:FasterWhisper", "ctc": "ctc:Ctc", "wav2vec2": "wav2vec2:Wav2Vec2"},
    "vad": {"silero": "silero:SileroVad", "gru": "gru:GruVad"},
    "denoise": {
        "dtln": "dtln:Dtln",
        "spectral-mask": "spectral_mask:SpectralMask",
        "waveform": "waveform:Waveform",
        "rnnoise": "rnnoise:RnNoise",
        "deepfilternet": "deepfilternet:DeepFilterNet",
    },
    "turn": {"smart-turn": "smart_turn:SmartTurn", "tune": "tune:TuneTurn"},
    "overlap": {"whisper-states": "whisper:WhisperOverlap"},
    "speaker": {
        "ecapa": "ecapa:Ecapa",
        "resemblyzer": "resemblyzer:Resemblyzer",
        "speechbrain": "speechbrain:SpeechBrain",
    },
    "extract": {"masked": "masked:Masked"},
    "emotion": {
        "emotion-functionals": "linear:FunctionalsEmotion",
        "emotion-frames": "frames:FramesEmotion",
        "emotion-ssl": "ssl:SslEmotion",
    },
    "sentiment": {"sentiment-linear": "linear:LinearSentiment", "sentiment-encoder": "encoder:EncoderSentiment"},
}
"""By port and kind: module in `pipelines.adapters.<port>`, and its class. The class takes the model's folder, and `threads` and `beam` where it has
a use for them; one whose weights come with a package takes no folder."""

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
    return tuple(_ADAPTERS.get(port, ()))


def load(port: Port, kind: str, folder: Path, *, threads: int = 1, beam: int = 5, encoder: Path | None = None) -> Any:
    """The model in `folder`, whose files are trusted, as its port in `pipelines.models.ports`. `beam`: of recognisers that search; `encoder`:
    the folder of the model that this one stands on, if its card names one. Raises ModelError."""
    if kind not in known(port):
        raise ModelError(f"nothing here runs models for {port} of kind {kind!r}. Known: {', '.join(known(port))}.")
    module, _, name = _ADAPTERS[port][kind].partition(":")
    try:
        adapter = getattr(import_module(f"pipelines.adapters.{port}.{module}"), name)
        wanted = signature(adapter).parameters
        given = {"folder": folder, "threads": threads, "beam": beam, "encoder": encoder}
        return adapter(**{key: value for key, value in given.items() if key in wanted})
    except ModuleNotFoundError as error:
        if error.name not in NEEDS.get(kind, ()):
            raise
        raise ModelError(
            f"{folder.name} is a model of kind {kind}, which needs {error.name}; it is not installed. Run: {INSTALL}"
        ) from error


def load_added(card: ModelCard, folder: Path, *, threads: int = 1, beam: int = 5, encoder: Path | None = None) -> Any:
    """The same for an exported model, which must pass its self-test on this machine, with the packages that are here today.
    It takes about as long as the loading itself warms up (0.1 s for Whisper base), so it is run each time."""
    model = load(card.port, card.kind, folder, threads=threads, beam=beam, encoder=encoder)
    if wrong := self_test.differs(card.port, model, self_test.load(folder / self_test.FILE)):
        raise ModelError(
            f"{card.name} fails its self-test: {wrong}. It is not used. Export it again with the packages of this machine, "
            "or install those that its card names (allo models show)."
        )
    return model
