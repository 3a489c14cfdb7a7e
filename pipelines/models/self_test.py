"""A model's self-test: a short clip, and what the model that was trained made of it.

Whoever loads the model lets it hear the clip again. Other words, or other scores, mean that it is not the model that was
trained, though every hash is right: other features, another decoder, a library that changed. Text is compared by likeness
(int8 arithmetic differs a little between processors), numbers by their largest difference.

A recogniser of speech has a `SelfTest` (words), every other model a `VectorTest` (numbers).
"""

import difflib
import zipfile
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ModelError
from pipelines.models.card import Port
from pipelines.models.ports import Audio, SpeechToText
from pipelines.units import SAMPLE_RATE

FILE = "self_test.npz"
MAX_SAMPLES = 15 * SAMPLE_RATE
_MAX_BYTES = 32 << 20
_UNLIKE = 0.1  # share of the text


@runtime_checkable
class Scores(Protocol):
    """A recogniser that can also say how sure it is of each symbol."""

    def log_probs(self, audio: Audio) -> NDArray[np.float32]:
        """(frames, symbols), natural logarithms."""
        ...


class SelfTest(msgspec.Struct, frozen=True, kw_only=True):
    """`audio`: float32 mono 16 kHz, (n,), up to 15 s. `text`: what the trained model says to it, greedily (a partial).
    `log_probs`: (frames, symbols) of a model that has `Scores`; then `text` may be "". `tolerance`: largest absolute
    difference of them."""

    audio: Audio
    language: str
    text: str
    log_probs: NDArray[np.float32] | None = None
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if self.audio.dtype != np.float32 or self.audio.ndim != 1 or not 0 < self.audio.size <= MAX_SAMPLES:
            raise ModelError(
                f"the self-test's audio must be float32, mono, up to {MAX_SAMPLES // SAMPLE_RATE} s of 16 kHz, not "
                f"{self.audio.dtype} {self.audio.shape}. Take another clip."
            )
        if not self.text.strip() and self.log_probs is None:
            raise ModelError(
                "a self-test that expects no words proves nothing. Take a clip in which the model hears some."
            )
        if self.log_probs is not None and not np.isfinite(self.log_probs).any():
            raise ModelError("the self-test's log-probabilities hold no number. The model is broken: train it again.")
        if not self.tolerance > 0:
            raise ModelError(f"the self-test's tolerance must be above 0, not {self.tolerance}.")


class VectorTest(msgspec.Struct, frozen=True, kw_only=True):
    """`audio`: as in `SelfTest`, or `text` for a model that reads. `voice`: what a "extract" is told to follow. `output`: float32,
    what `answered` makes of the trained model. `tolerance`: the largest absolute difference."""

    output: NDArray[np.float32]
    audio: Audio | None = None
    text: str = ""
    language: str = "en"
    voice: NDArray[np.float32] | None = None
    tolerance: float = 0.01

    def __post_init__(self) -> None:
        if (self.audio is None) == (not self.text):
            raise ModelError("a self-test has a clip or a text, one of them. Give one.")
        if self.audio is not None and (
            self.audio.dtype != np.float32 or self.audio.ndim != 1 or not 0 < self.audio.size <= MAX_SAMPLES
        ):
            raise ModelError(
                f"the self-test's audio must be float32, mono, up to {MAX_SAMPLES // SAMPLE_RATE} s of 16 kHz, not "
                f"{self.audio.dtype} {self.audio.shape}. Take another clip."
            )
        if not self.output.size or not np.isfinite(self.output).all():
            raise ModelError("the self-test's output is no row of numbers. The model is broken: train it again.")
        if not self.tolerance > 0:
            raise ModelError(f"the self-test's tolerance must be above 0, not {self.tolerance}.")


def answered(port: Port, model: Any, test: VectorTest) -> NDArray[np.float32]:
    """What a model of that port makes of the test's clip or text, as one row of numbers."""
    match port:
        case "denoise":
            return model.denoise(test.audio, model.initial_state())[0]
        case "vad":
            state, found = model.initial_state(), []
            for first in range(0, test.audio.size - model.window + 1, model.window):
                [p_speech], [state] = model.analyze([test.audio[first : first + model.window]], [state])
                found.append(p_speech)
            return np.array(found, np.float32)
        case "turn":
            return np.array([model.p_end(test.audio)], np.float32)
        case "overlap":
            return np.array([model.p_interruption(test.audio)], np.float32)
        case "speaker":
            return model.embed(test.audio)
        case "extract":
            return model.extract(test.audio, test.voice)
        case "emotion":
            return np.array([model.recognize(test.audio)[label] for label in model.labels], np.float32)
        case "sentiment":
            found = model.analyze(test.text, test.language)
            return np.array([found[label] for label in ("negative", "neutral", "positive")], np.float32)
    raise ModelError(f"a model for {port} has no self-test of numbers.")


def record(model: SpeechToText, audio: Audio, language: str) -> SelfTest:
    """The self-test that `model` passes now. Better is what the model said in training: then the test proves that serving
    hears the same."""
    return SelfTest(
        audio=audio,
        language=language,
        text=model.transcribe(audio, languages=[language], final=False).text,
        log_probs=model.log_probs(audio) if isinstance(model, Scores) else None,
    )


def differs(port: Port, model: Any, test: SelfTest | VectorTest) -> str:
    """What `model` does otherwise than `test` expects, in words; "" when nothing. Blocks while the model runs."""
    if (port == "stt") != isinstance(test, SelfTest):
        return f"its self-test is not one of a model for {port}"
    return _says_otherwise(model, test) if isinstance(test, SelfTest) else _finds_otherwise(port, model, test)


def _finds_otherwise(port: Port, model: Any, test: VectorTest) -> str:
    found = answered(port, model, test)
    if found.shape != test.output.shape:
        return f"its answer has shape {found.shape} instead of {test.output.shape}"
    apart = float(np.abs(found - test.output).max())
    return "" if apart <= test.tolerance else f"its answer differs by {apart:.3g}, and {test.tolerance:g} is allowed"


def _says_otherwise(model: SpeechToText, test: SelfTest) -> str:
    if test.log_probs is not None:
        if not isinstance(model, Scores):
            return "it gives no log-probabilities to compare"
        found = model.log_probs(test.audio)
        if found.shape != test.log_probs.shape:
            return f"its log-probabilities have shape {found.shape} instead of {test.log_probs.shape}"
        with np.errstate(invalid="ignore"):  # minus infinity on both sides is no difference
            apart = np.where(found == test.log_probs, 0.0, np.abs(found - test.log_probs)).max()
        if not apart <= test.tolerance:
            return f"its log-probabilities differ by up to {apart:.3g}, and {test.tolerance:g} is allowed"
    said = model.transcribe(test.audio, languages=[test.language], final=False).text
    alike = difflib.SequenceMatcher(None, _plain(said), _plain(test.text), autojunk=False).ratio()
    return "" if 1 - alike <= _UNLIKE else f"it says {said!r} instead of {test.text!r}"


def save(test: SelfTest | VectorTest, path: Path) -> None:
    held = {name: getattr(test, name) for name in test.__struct_fields__}
    np.savez_compressed(path, **{name: np.asarray(value) for name, value in held.items() if value is not None})


def load(path: Path) -> SelfTest | VectorTest:
    """Raises ModelError for a file that is none."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"has more than {_MAX_BYTES >> 20} MiB")
        with np.load(path, allow_pickle=False) as held:
            kind = VectorTest if "output" in held else SelfTest
            return kind(**{name: _item(held[name]) for name in kind.__struct_fields__ if name in held})
    except (OSError, ValueError, TypeError, AttributeError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is no self-test: {error}. Export the model again.") from error


def _item(value: NDArray) -> Any:
    """Strings and single numbers as they were before they became arrays."""
    return value if value.ndim else value.item()


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
