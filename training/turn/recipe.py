"""What a recipe of this room says, beside the loop's own table."""

from typing import Annotated

from annotated_types import Ge
from pydantic import Field

from pipelines.nets.ending import EndingSettings
from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.common.telephony import TelephoneSettings

Share = Annotated[float, Field(ge=0, le=1)]


class DataSettings(Section):
    """The `[data]` table. Manifests are named relative to --data."""

    speech: Annotated[list[str], Field(min_length=1)]
    """Clean recordings of whole utterances, with speakers: their ends are ends."""
    test_speakers: list[str] = Field(default_factory=list)
    """Speakers that are only measured, beside those drawn."""
    test: Share = 0.15
    """Share of the clips whose speakers are drawn to be measured."""
    validation: Share = 0.1
    test_speech: list[str] = Field(default_factory=list)
    """Manifests that are only measured: other rooms, other ways to speak."""
    noises: list[str] = Field(default_factory=list)
    rooms: list[str] = Field(default_factory=list)
    seed: int = Field(0, ge=0)
    variations: Annotated[int, Ge(1)] = 3
    """Telephone lines that each clip is heard through, made once."""
    batch: Annotated[int, Ge(2)] = 64
    dips: Share = 0.15
    """Of the examples that are no end: silences too short to be a pause."""
    seen_s: tuple[float, float] = (0.7, 8.0)
    """Seconds of a turn that an example shows, drawn evenly, so that its length says nothing."""
    tail_s: tuple[float, float] = (0.06, 0.26)
    """Seconds of silence after the last word."""
    telephone: TelephoneSettings = TelephoneSettings(speed=0.0)


class NetSettings(Section):
    seconds: float = Field(5.0, ge=1, le=8)
    width: int = Field(96, ge=8, le=256)
    dropout: float = Field(0.2, ge=0, lt=1)

    def build(self) -> EndingSettings:
        return EndingSettings(seconds=self.seconds, width=self.width, dropout=self.dropout)


class TurnRecipe(Section):
    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "CC-BY-SA-4.0"
    """Of the weights."""
    data: DataSettings
    net: NetSettings = NetSettings()
    loop: LoopSettings = LoopSettings()
    threads: int = Field(1, ge=1, description="Of torch on a CPU; with 1 the same seed gives the same figures.")
