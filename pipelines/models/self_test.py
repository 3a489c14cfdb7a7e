"""A model's self-test: a short clip, and what the model that was trained made of it.

Whoever loads the model lets it hear the clip again. Other words, or other scores, mean that it is not the model that was
trained, though every hash is right: other features, another decoder, a library that changed. Text is compared by likeness
(int8 arithmetic differs a little between processors), log-probabilities by their largest difference.
"""

import difflib
import zipfile
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ModelError
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


def record(model: SpeechToText, audio: Audio, language: str) -> SelfTest:
    """The self-test that `model` passes now. Better is what the model said in training: then the test proves that serving
    hears the same."""
    return SelfTest(
        audio=audio,
        language=language,
        text=model.transcribe(audio, languages=[language], final=False).text,
        log_probs=model.log_probs(audio) if isinstance(model, Scores) else None,
    )


def differs(model: SpeechToText, test: SelfTest) -> str:
    """What `model` does otherwise than `test` expects, in words; "" when nothing. Blocks while the model runs."""
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


def save(test: SelfTest, path: Path) -> None:
    arrays = {"audio": test.audio, "tolerance": np.float64(test.tolerance)}
    if test.log_probs is not None:
        arrays["log_probs"] = test.log_probs.astype(np.float32)
    np.savez_compressed(path, text=np.str_(test.text), language=np.str_(test.language), **arrays)


def load(path: Path) -> SelfTest:
    """Raises ModelError for a file that is none."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"has more than {_MAX_BYTES >> 20} MiB")
        with np.load(path, allow_pickle=False) as held:
            return SelfTest(
                audio=held["audio"],
                language=str(held["language"]),
                text=str(held["text"]),
                log_probs=held.get("log_probs"),
                tolerance=float(held["tolerance"]),
            )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path} is no self-test: {error}. Export the model again.") from error


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
