"""What a recipe of this room says, beside the loop's own table."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len
from pydantic import Field, model_validator

from training.common.loop import LoopSettings
from training.common.manifests import OnBad
from training.common.recipe import Section
from training.common.telephony import TelephoneSettings

Share = Annotated[float, Ge(0.0), Le(1.0)]


class DataSettings(Section):
    """The `[data]` table: which clips, who is held aside, what to do about bad ones."""

    manifests: Annotated[list[str], Len(1)]
    """Files of JSON lines, relative to the folder given by --data."""
    licences: dict[str, str] = Field({})
    """By manifest, SPDX or words: they go into the model's card."""
    validation: list[str] | Share = 0.1
    """Speakers, or the share of the clips whose speakers are drawn. They choose the weights that are kept."""
    test: list[str] | Share = 0.1
    """As `validation`. They are measured once, at the end."""
    seed: Annotated[int, Ge(0)] = 0
    min_s: Annotated[float, Ge(0.025)] = 0.1
    max_s: Annotated[float, Gt(0.0), Le(30.0)] = 20.0
    """Attention takes memory by the square of it."""
    on_bad: OnBad = "stop"
    batch: Annotated[int, Ge(1)] = 8
    """Clips."""
    letters: str = ""
    """What may be written, the space apart; "" for every letter of the texts."""


class NetSettings(Section):
    """What of the checkpoint learns, and how it is kept from learning by heart."""

    freeze: Literal["nothing", "front", "body"] = "front"
    """"front": the convolutions over the waveform stay as they were pretrained; "body": everything but the letters does."""
    vocabulary: Literal["manifest", "base"] = "manifest"
    """"manifest": letters of the texts, learned anew; "base": the letters that the checkpoint writes already."""
    dropout: Share = 0.05
    """Of attention, hidden layers and the features' projection."""
    layer_drop: Share = 0.0
    """How often a layer is left out of a step. Not with several processes, which wait for each other's gradients."""
    mask_time: Share = 0.05
    """SpecAugment in the network: share of the frames at which a mask begins ..."""
    mask_frames: Annotated[int, Ge(1)] = 10
    """... and how many frames of 20 ms it is long."""
    checkpointing: bool = False
    """Less memory, a third more time."""


class Channel(Section):
    """The telephone. `drawn`: share of the training clips that get a line of their own, drawn from `telephone`; the others get
    the plain one if `plain`. Validation and test are heard through the plain line, or, without `plain`, as they are."""

    plain: bool = True
    drawn: Share = 0.5
    telephone: TelephoneSettings = TelephoneSettings()


class Recipe(Section):
    """A whole recipe. `base`: a folder, or a repository of the hub as OWNER/NAME."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str
    """Of the weights: what the checkpoint's and the data's licences leave."""
    base: Annotated[str, Len(1)]
    languages: Annotated[list[str], Len(1)]
    watch: Literal["wer", "cer", "loss"] = "wer"
    """The measure whose best step is kept."""
    data: DataSettings
    net: NetSettings = NetSettings()
    channel: Channel = Channel()
    loop: LoopSettings = LoopSettings(learning_rate=1e-4, steps=2_000)
    threads: Annotated[int, Ge(1)] = 1
    """Of torch on a CPU; with 1 the same seed gives the same figures."""

    @model_validator(mode="after")
    def _watched(self) -> "Recipe":
        if self.data.validation == 0.0:
            raise ValueError("data.validation is 0: nothing would tell the best step. Hold some speakers aside.")
        return self
