"""What a recipe of this room says, beside the loop's own table."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt
from pydantic import Field

from pipelines.nets.ecapa import EcapaSettings
from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.common.telephony import TelephoneSettings


class DataSettings(Section):
    """The `[data]` table. Manifests are relative to --data. No speaker is in two of train, validation and test."""

    train: list[str] = Field(default_factory=list)
    """Only ever trained on."""
    split: list[str] = Field(min_length=1)
    """Their speakers are divided in three."""
    test: list[str] = Field(default_factory=list)
    """Only ever tested on."""
    aside: list[str] = Field(default_factory=list)
    """Speakers of `train` that are tested instead; voices mixed from one of them (a+b) are left out altogether."""
    validation_share: float = Field(
        0.15, gt=0, lt=1, description="Of the speakers of `split`; they choose the weights."
    )
    test_share: float = Field(0.35, gt=0, lt=1, description="Of the speakers of `split`.")
    seed: int = Field(0, ge=0, description="Draws them.")
    noises: list[str] = Field(default_factory=list)
    """Every second one is heard in training, the others in tests."""
    rooms: list[str] = Field(default_factory=list)
    longest_s: float = Field(60.0, gt=0, description="Of one speaker, in training: more adds little.")
    on_bad: Literal["stop", "skip"] = "stop"


class Variety(Section):
    """The `[variety]` table: few speakers become many."""

    speeds: list[Annotated[float, Gt(0.5)]] = Field(default_factory=lambda: [1.0, 0.9, 1.1])
    """Pitch and pace together; another speed is another speaker. Begins with 1."""
    variations: int = Field(3, ge=1, le=100, description="Lines that each clip is heard through, at each speed.")
    telephone: TelephoneSettings = TelephoneSettings(speed=0.0)
    """`speed` stays 0: it would make another speaker of the same name."""
    crop_s: tuple[float, float] = (1.5, 3.0)
    """Length that is drawn for each batch."""
    masks: int = Field(1, ge=0, le=5, description="SpecAugment: masks in time and as many in frequency.")


class SpeakersRecipe(Section):
    """A whole recipe."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "CC-BY-4.0"
    data: DataSettings
    net: EcapaSettings = EcapaSettings()
    variety: Variety = Variety()
    loop: LoopSettings = LoopSettings()
    batch: Annotated[int, Ge(2)] = 48
    """Clips, of as many speakers."""
    margin: float = Field(0.2, ge=0, lt=1.5, description="Of the angle, radians (AAM-softmax).")
    margin_from: float = Field(0.3, ge=0, le=1, description="Part of the run in which the margin grows from 0.")
    sharpness: float = Field(30.0, gt=0, description="Cosines are multiplied by it before the softmax.")
    teacher: str = Field(
        "", description="An encoder, KIND:DIR, that saw more people: what it hears on the good recording is learnt."
    )
    teacher_weight: float = Field(10.0, ge=0, description="Of 1 - cosine with the teacher's voice, beside the softmax.")
    threads: int = Field(1, ge=1)
