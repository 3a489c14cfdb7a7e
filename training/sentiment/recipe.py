"""What a recipe of this room says."""

from typing import Annotated, Literal

from annotated_types import Ge
from pydantic import Field, model_validator

from training.common.loop import LoopSettings
from training.common.recipe import Section


class DataSettings(Section):
    """The `[data]` table. The telephone sentences of `training/sentiment/texts` are always in it."""

    reviews: list[str] = Field(default_factory=list)
    """JSON lines of `text`, `sentiment`, `language`, relative to --data."""
    neutral: list[str] = Field(default_factory=list)
    """Manifests whose texts feel like nothing: prompts, descriptions."""
    neutral_each: int = Field(150, ge=1, description="Texts of each of them.")
    neutral_aside: list[str] = Field(default_factory=list)
    """The same, only measured on: a judge from outside."""
    test: float = Field(
        0.2, gt=0, lt=1, description="Share of the reviews and of the neutral texts that is only measured on."
    )
    denials: bool = Field(True, description="Whether the sentences made of frames are taught too.")
    answers: bool = Field(True, description='Whether short answers ("yes", "on Tuesday") are taught as neutral.')
    phone_weight: float = Field(3.0, gt=0, description="What a telephone sentence counts against a review.")
    share: float = Field(
        1.0, gt=0, le=1, description="Share of the training sentences that is used: for learning curves."
    )
    seed: int = Field(0, ge=0)


class NetSettings(Section):
    """The `[net]` table. "linear": words, pairs and a lexicon; "small": an encoder trained here on pieces of words; "frozen": an encoder of
    `base` as it is, and a hidden layer on top; "whisper": the same on the decoder of a Whisper that hears nothing."""

    kind: Literal["linear", "small", "frozen", "whisper"]
    base: str = Field(
        "", description="Of frozen: a folder or OWNER/NAME on the hub; of whisper: that, or a name in the model store."
    )
    penalty: float = Field(10.0, gt=0, description="C of the linear one: smaller is smoother.")
    lexicon: bool = Field(True, description="Whether the linear one knows the lexicons.")
    denial: bool = Field(True, description="Whether the linear one knows what is denied.")
    hidden: Annotated[int, Ge(1)] = 30
    vocabulary: int = Field(2_000, ge=100, description="Pieces of words of the small encoder.")
    width: Annotated[int, Ge(8)] = 64
    layers: Annotated[int, Ge(1)] = 2
    dropout: float = Field(0.3, ge=0, lt=1)
    batch: Annotated[int, Ge(1)] = 32

    @model_validator(mode="after")
    def _base(self) -> "NetSettings":
        if (self.kind in ("frozen", "whisper")) != bool(self.base):
            raise ValueError("base belongs to frozen and whisper, which need one")
        return self


class SentimentRecipe(Section):
    """A whole recipe."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "CC-BY-4.0"
    data: DataSettings = DataSettings()
    net: NetSettings
    loop: LoopSettings = LoopSettings()
    seeds: Annotated[list[int], Field(min_length=1, default_factory=lambda: [0])]
    """Of the networks; the table shows the mean, the first one is exported."""
