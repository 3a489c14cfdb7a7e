"""What a recipe of an overlap net may say; unknown keys are errors."""

from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Field

from pipelines.nets.overlap import OverlapSettings
from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.common.telephony import TelephoneSettings

Share = Annotated[float, Ge(0.0), Le(1.0)]
Part = Literal["train", "validation", "test"]


class VoiceSettings(Section):
    """The `[voices]` table: who says the lines of `texts/` (`training/common/voices.py`; * in a name is the language). Nobody is in two parts."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]
    lines: dict[Part, tuple[int, int]] = Field({"train": (6, 6), "validation": (8, 8), "test": (10, 10)})
    """Interruptions and murmurs that each says in each language."""
    cheap_lines: tuple[int, int] = (40, 30)
    """... of the voices that cost next to nothing (Pico, eSpeak NG)."""

    def count(self, part: Part, kind: str, voice: str) -> int:
        lines = self.lines[part] if voice.startswith("kokoro:") else self.cheap_lines
        return lines[kind == "murmurs"]


class DataSettings(Section):
    """The `[data]` table. Manifests are named relative to --data."""

    people: tuple[str, ...] = ()
    """Recordings of people, whose beginnings are taken for those of interruptions in training."""
    without: tuple[str, ...] = ()
    """Speakers and files (without folder) that are left out: heard in benches, or under a licence that the weights are not to have."""
    test_people: tuple[str, ...] = ()
    """... that are only measured."""
    noises: tuple[str, ...]
    test_noises: tuple[str, ...]
    """File names (without folder) of those noises that are only measured."""
    rooms: tuple[str, ...] = ()
    """Manifests of impulse responses."""
    seed: int = Field(0, ge=0)
    scenes: Annotated[int, Ge(100)] = 7_000
    """Made once, before training."""
    asks: Annotated[int, Ge(1)] = 4
    """Questions of each that are taught."""
    batch: Annotated[int, Ge(1)] = 128


class MixSettings(Section):
    """The `[mix]` table: what a scene is. Chances are 0 to 1, ranges are drawn from evenly."""

    interruptions: Share = 0.45
    people: Share = 0.25
    """Of them: people's, where the data has any."""
    after_murmur: Share = 0.12
    """... that begin with a murmur: "okay, but"."""
    murmurs: Share = 0.33
    """The rest is noise, far voices and the agent's own echo."""
    hums: Share = 0.35
    """Of the murmurs: hums that are made up."""
    level_db: tuple[float, float] = (-40.0, -14.0)
    """Of the caller's speech, against full scale."""
    murmur_db: tuple[float, float] = (-12.0, 2.0)
    """Murmurs, against his speech."""
    far_db: tuple[float, float] = (-26.0, -14.0)
    """Somebody else in his room, against his speech."""
    noise_db: tuple[float, float] = (-25.0, 3.0)
    behind: Share = 0.35
    """Noise behind what is said."""
    behind_db: tuple[float, float] = (-40.0, -12.0)
    echo: Share = 0.25
    """The agent's voice comes back."""
    echo_db: tuple[float, float] = (-45.0, -22.0)
    telephone: TelephoneSettings = TelephoneSettings(
        speed=0.6, speed_factor=(0.85, 1.18), room=0.0, noise=0.0, gain=0.0, echo=0.0
    )


class NetSettings(Section):
    """As `pipelines.nets.overlap.OverlapSettings`."""

    width: int = Field(64, ge=8, le=256)
    dropout: Share = 0.3

    def build(self, size: int) -> OverlapSettings:
        return OverlapSettings(size=size, **self.model_dump())


class OverlapRecipe(Section):
    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "Apache-2.0"
    """Of the weights."""
    false_holds: Annotated[float, Ge(0.001), Le(0.5)] = 0.03
    """Share of the validation's murmurs, and of its other sounds, that may make the agent hold its breath: sets the threshold."""
    encoder: str = "whisper-base"
    """Model of the store whose encoder the net hears through."""
    voices: VoiceSettings
    data: DataSettings
    mix: MixSettings = MixSettings()
    net: NetSettings = NetSettings()
    loop: LoopSettings = LoopSettings(tensorboard=False)
    threads: int = Field(1, ge=1, description="Of torch on a CPU; with 1 the same seed gives the same figures.")
