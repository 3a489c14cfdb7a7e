"""What a recipe of this room says, beside the loop's own table."""

from typing import Annotated, Literal

from annotated_types import Ge, Le
from pydantic import Field, model_validator

from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.common.telephony import Range, TelephoneSettings

Share = Annotated[float, Ge(0.0)]

LINE = TelephoneSettings(
    speed=0.0,
    room=0.0,
    noise=0.0,
    gain=0.0,
    clipping=0.0,
    echo=0.0,
    band=0.6,  # the others reach down to the low voices: cut on every line, they would be learnt as noise
    hum=0.1,
    hiss=0.5,
    loss=0.1,
    loss_share=(0.005, 0.03),
)
"""Of the telephone what is left to it: rooms, noises and loudness are this room's own business."""


class NetSettings(Section):
    """The `[net]` table."""

    kind: Literal["mask", "waveform"] = "mask"
    width: int = Field(160, ge=8, le=512, description="Of the mask's GRU; channels of the waveform's outermost layer.")
    layers: int = Field(2, ge=1, le=4, description="Of the GRU or LSTM.")


class DataSettings(Section):
    """The `[data]` table. Manifests are relative to --data; noises are named by their files, without the ending."""

    speech: Annotated[list[str], Field(min_length=1)]
    validation: list[str] | float = 0.1
    """Speakers of `speech`, or the share of the clips whose speakers are drawn. They choose the weights that are kept."""
    noise: list[str] = Field([])
    music: list[str] = Field([])
    rooms: list[str] = Field([])
    validation_noises: list[str] = Field([])
    """Noises and music of the validation; all that is named neither here nor in `test_noises` is trained on."""
    test_noises: list[str] = Field([])
    """Never heard here: for `denoise-table`."""
    left_out: list[str] = Field([])
    """Noises for nobody: because of their licence, or because they are no noise."""
    seconds: float = Field(2.5, gt=0.5, le=20, description="Of a clip in training.")
    batch: Annotated[int, Ge(1)] = 16
    variations: int = Field(3, ge=1, description="Mixtures of each clip that are made and kept.")
    seed: int = Field(0, ge=0, description="Draws the speakers held aside.")


class MixSettings(Section):
    """The `[mix]` table: weights of the kinds of noise, and the ranges that are drawn from."""

    babble: Share = 3.0
    recorded: Share = 3.0
    music: Share = 1.5
    made: Share = 2.0
    """Coloured noise, clatter and tunes, made on the fly: a handful of recordings would be learnt by heart."""
    none: Share = 0.5
    """Only the line: what is clean must be left alone."""
    voices: tuple[int, int] = (3, 8)
    """In a babble."""
    snr_db: Range = (-3.0, 20.0)
    level_db: Range = (-38.0, -16.0)
    """Of the speech against full scale."""
    room: Annotated[float, Ge(0.0), Le(1.0)] = 0.3
    telephone: TelephoneSettings = LINE

    @model_validator(mode="after")
    def _weights(self) -> "MixSettings":
        if not self.babble + self.recorded + self.music + self.made + self.none:
            raise ValueError("babble, recorded, music, made and none are all 0: give one of them a weight")
        return self


class LossSettings(Section):
    """The `[loss]` table: what is added up."""

    l1: Share = 1.0
    stft: Share = 1.0
    keep_db: float | None = Field(
        None, ge=-40, lt=0, description="This much of the noise stays in what the net is taught to say."
    )


class DenoiseRecipe(Section):
    """A whole recipe."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "CC-BY-4.0"
    data: DataSettings
    net: NetSettings = NetSettings()
    mix: MixSettings = MixSettings()
    loss: LossSettings = LossSettings()
    loop: LoopSettings = LoopSettings()
    threads: int = Field(1, ge=1, description="Of torch on a CPU; with 1 the same seed gives the same figures.")


class TableSettings(Section):
    """What `allo train denoise-table` measures on. Nobody and nothing in it may have been trained on."""

    speech: Annotated[list[str], Field(min_length=1)]
    """Manifests with texts, relative to --data."""
    clips: Annotated[int, Ge(1)] = 16
    """Of each manifest, going round its speakers."""
    min_s: float = Field(1.5, gt=0)
    max_s: float = Field(8.0, gt=0)
    noise: Annotated[list[str], Field(min_length=1)]
    """Manifests of the recordings that `noises` names."""
    noises: Annotated[list[str], Field(min_length=1)]
    """By their files, without the ending; "babble" is four other speakers of the clips."""
    snr_db: list[float] = Field([0.0, 5.0, 10.0], min_length=1)
    keep_db: list[float] = Field([-12.0])
    """Each denoiser is measured with these floors as well."""
    packaged: list[Literal["rnnoise", "dtln", "deepfilternet"]] = Field(["rnnoise", "dtln", "deepfilternet"])
    """Those that ours are compared with; one that is not installed is left out, and said."""
