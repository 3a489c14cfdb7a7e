"""What a recipe of this room says."""

from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import Field, model_validator

from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.ctc.augment import Augment


class DataSettings(Section):
    """The `[data]` table."""

    manifests: Annotated[list[str], Field(min_length=1)]
    """With a field `emotion` in each line. Relative to --data."""
    callers: list[str] = Field(default_factory=list)
    """Recordings of people who are not angry. Nothing is learnt from them: they say how often a model calls such people angry, and so
    set the threshold."""
    callers_each: int = Field(120, ge=1, description="Clips of each of them, spread over its speakers.")
    noises: list[str] = Field(default_factory=list)
    """Manifests of what may be heard around the speakers in training."""
    left_out: list[str] = Field(default_factory=list)
    """Noises for nobody, by the name of their file: because of their licence."""
    seed: int = Field(0, ge=0)
    min_s: float = Field(0.5, ge=0)
    max_s: float = Field(20.0, gt=0)
    on_bad: Literal["stop", "skip"] = "stop"


class NetSettings(Section):
    """The `[net]` table. "logistic" and "svm" are linear, on an utterance's functionals; "ssl" is linear on what a frozen network of
    `base` makes of it; "cnn" and "cnn_gru" are networks on frames."""

    kind: Literal["logistic", "svm", "ssl", "cnn", "cnn_gru"]
    base: str = Field("", description="Of ssl: a folder, or OWNER/NAME on the hub.")
    penalty: float = Field(0.01, gt=0, description="C of the linear ones: smaller is smoother.")
    width: Annotated[int, Ge(8)] = 48
    layers: Annotated[int, Ge(1)] = 3
    kernel: Annotated[int, Ge(1)] = 5
    dropout: float = Field(0.3, ge=0, lt=1)
    batch: Annotated[int, Ge(2)] = 24
    smoothing: float = Field(
        0.1, ge=0, lt=1, description="Of the labels: actors overdo it, and people disagree about them."
    )

    @model_validator(mode="after")
    def _base(self) -> "NetSettings":
        if (self.kind == "ssl") != bool(self.base):
            raise ValueError("base belongs to kind ssl, which needs one: a folder, or OWNER/NAME on the hub")
        return self

    @property
    def linear(self) -> bool:
        return self.kind in ("logistic", "svm", "ssl")


class EmotionRecipe(Section):
    """A whole recipe. `classes`: what each label is made of; an emotion that is in none is left out."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "CC0-1.0"
    """Of the weights; that of the data, as a rule."""
    language: str = "de"
    data: DataSettings
    classes: dict[str, list[str]]
    false_alarms: float = Field(0.02, gt=0, lt=1, description="Callers who may be called angry: sets the threshold.")
    net: NetSettings
    augment: Augment = Augment()
    loop: LoopSettings = LoopSettings()
    seeds: Annotated[list[int], Field(min_length=1, default_factory=lambda: [0])]
    """Of the networks; the table shows the mean, the first one is exported."""

    @model_validator(mode="after")
    def _classes(self) -> "EmotionRecipe":
        names = [name for each in self.classes.values() for name in each]
        if len(names) != len(set(names)) or "neutral" not in self.classes or "anger" not in self.classes:
            raise ValueError('classes needs "anger" and "neutral", and each emotion in one of them at most')
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        return tuple(self.classes)
