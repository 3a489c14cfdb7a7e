"""What every emotion model keeps beside its weights (`emotion.json`), and how scores become an answer."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from pipelines.errors import ModelError
from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE

FILE = "emotion.json"


class Verdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`labels`: in the order of the model's scores. `thresholds`: from which probability on a label may be said of a caller, for those
    that were measured. `neutral`: what a clip is that is too short to sound like anything. Seconds."""

    labels: tuple[str, ...]
    thresholds: dict[str, float]
    neutral: str = "neutral"
    shortest_s: float = 0.4
    longest_s: float = 10.0

    def __post_init__(self) -> None:
        if self.neutral not in self.labels or set(self.thresholds) - set(self.labels):
            raise ValueError(f"{self.neutral} and {', '.join(self.thresholds)} must be among {', '.join(self.labels)}")

    def of(self, audio: Audio, scores: Callable[[Audio], NDArray[np.floating]]) -> dict[str, float]:
        """Probabilities by label. `scores` makes logits of the clip's last `longest_s`."""
        if audio.size < self.shortest_s * SAMPLE_RATE:
            return {label: float(label == self.neutral) for label in self.labels}
        logits = np.asarray(scores(audio[-round(self.longest_s * SAMPLE_RATE) :]), np.float64)
        if logits.shape != (len(self.labels),) or not np.isfinite(logits).all():
            raise ModelError("the emotion model gave no scores.")
        odds = np.exp(logits - logits.max())
        return dict(zip(self.labels, (odds / odds.sum()).tolist(), strict=True))


def read(folder: Path) -> Verdict:
    """Raises ModelError when `emotion.json` is missing or is not one."""
    try:
        return msgspec.json.decode((folder / FILE).read_bytes(), type=Verdict)
    except (OSError, msgspec.DecodeError, ValueError) as error:
        raise ModelError(f"{folder / FILE} cannot be read: {error}. Export the model again.") from error
