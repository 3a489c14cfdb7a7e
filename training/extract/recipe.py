"""What a recipe of this room says, beside the loop's own table."""

from typing import Annotated

from annotated_types import Ge
from pydantic import Field

from pipelines.nets.extract import ExtractSettings
from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.speakers.recipe import DataSettings


class Mixing(Section):
    """The `[mixing]` table: two voices on one telephone."""

    seconds: float = Field(3.0, ge=1, le=15, description="Of a mixture.")
    ratio_db: tuple[float, float] = (-5.0, 5.0)
    """How much louder the one that is followed is."""
    mixtures: int = Field(2_000, ge=2, description="Made once; each epoch goes through all of them.")
    halves: bool = False
    """Who has one piece of ten seconds or more is followed, too: by its first six, in the rest. Otherwise he is the other voice only."""
    tested: int = Field(100, ge=2, description="Of validation, and of the test.")


class ExtractRecipe(Section):
    """A whole recipe."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "CC-BY-SA-4.0"
    data: DataSettings
    net: ExtractSettings = ExtractSettings()
    mixing: Mixing = Mixing()
    loop: LoopSettings = LoopSettings()
    batch: Annotated[int, Ge(1)] = 8
    threads: int = Field(1, ge=1)
