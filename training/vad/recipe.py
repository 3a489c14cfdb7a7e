"""What a recipe of this room says, beside the loop's own table."""

from typing import Annotated

from annotated_types import Ge
from pydantic import Field

from pipelines.nets.voicing import VoicingSettings
from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.common.telephony import TelephoneSettings

Share = Annotated[float, Field(ge=0, le=1)]


class DataSettings(Section):
    """The `[data]` table. Manifests are named relative to --data."""

    speech: Annotated[list[str], Field(min_length=1)]
    """Clean recordings, with speakers."""
    test_speech: list[str] = Field(default_factory=list)
    """Manifests whose speakers are all only measured."""
    test_speakers: list[str] = Field(default_factory=list)
    """Of `speech`: speakers that are only measured, beside those drawn."""
    test: Share = 0.15
    """Share of the clips of `speech` whose speakers are drawn to be measured at the end."""
    validation: Share = 0.1
    """The same, to choose the weights by."""
    noises: Annotated[list[str], Field(min_length=1)]
    """Manifests of noise and music, without speech."""
    test_noises: Annotated[list[str], Field(min_length=1)]
    """File names (without folder) of those that are only measured."""
    rooms: list[str] = Field(default_factory=list)
    """Manifests of impulse responses."""
    seed: int = Field(0, ge=0)
    mixtures: Annotated[int, Ge(1)] = 1500
    """Made once, before training; each is heard at another loudness whenever it comes again."""
    seconds: Annotated[float, Ge(2.0)] = 10.0
    """Of a mixture."""
    crop: Annotated[int, Ge(8)] = 208
    """Windows of a mixture, from a random one on, that are heard at a time."""
    batch: Annotated[int, Ge(1)] = 48


class MixSettings(Section):
    """The `[mix]` table: what a mixture is made of. Chances are 0 to 1, ranges are drawn from evenly."""

    speechless: Share = 0.15
    """Mixtures in which nobody speaks."""
    short: Share = 0.3
    """Pieces of speech that are only 0.15 to 0.8 s of a recording."""
    quiet: Share = 0.2
    """Mixtures with nothing in the background."""
    babble: Share = 0.15
    """Mixtures whose background is several far voices, which are not speech of the caller."""
    made_up: Share = 0.45
    """Of the other backgrounds: synthesized ones (`sounds.py`); the rest is recorded."""
    room: Share = 0.2
    snr_db: tuple[float, float] = (0.0, 35.0)
    babble_snr_db: tuple[float, float] = (12.0, 30.0)
    wide_band: Share = 0.15
    """Mixtures that go over no telephone line."""
    level_db: tuple[float, float] = (-40.0, -16.0)
    """Of the speech, against full scale."""
    telephone: TelephoneSettings = TelephoneSettings(speed=0.0, room=0.0, noise=0.0, gain=0.0, echo=0.1)


class NetSettings(Section):
    bands: int = Field(40, ge=8, le=128)
    width: int = Field(64, ge=8, le=512)
    layers: int = Field(2, ge=1, le=4)

    def build(self) -> VoicingSettings:
        return VoicingSettings(bands=self.bands, width=self.width, layers=self.layers)


class VadRecipe(Section):
    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "CC-BY-SA-4.0"
    """Of the weights."""
    data: DataSettings
    mix: MixSettings = MixSettings()
    net: NetSettings = NetSettings()
    loop: LoopSettings = LoopSettings()
    threads: int = Field(1, ge=1, description="Of torch on a CPU; with 1 the same seed gives the same figures.")
