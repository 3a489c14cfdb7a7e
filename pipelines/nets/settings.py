"""What a network is built from: one frozen set of choices, the same in a recipe, in a tuning study and in an exported folder."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from pipelines.audio.features import Features, Kind
from pipelines.nets.states import States

Net = Literal["mlp", "cnn", "lstm", "gru", "bilstm", "cnn_bilstm", "transformer", "conformer"]
Input = Kind | Literal["states"]
"""`Features`, or `States` of an encoder that is not trained."""


class NetSettings(BaseModel):
    """The defaults are small: 0.1 to 0.8 million parameters, enough for digits, trained in a minute on one core."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    input: Input = "log_mel"
    bands: int = Field(40, ge=8, le=128)
    """Mel bands of "log_mel" and "mfcc"; learned filters of "raw"."""
    coefficients: int = Field(20, ge=1, le=128)
    """Of "mfcc"; at most `bands`."""
    levelled: bool = False
    """Whether clips are made equally loud first. Then no net can listen in pieces: loudness is known at the end."""
    net: Net | Literal["none"] = "cnn_bilstm"
    """"none": `whole` hears the input as it is."""
    layers: int = Field(2, ge=1, le=32)
    """Layers of the family's kind; "cnn_bilstm" has as many of each."""
    width: int = Field(128, ge=8, le=2048)
    """Numbers by which a frame is described between layers."""
    stride: int = Field(2, ge=1, le=4)
    """Frames of 10 ms (20 of "states") that become one output frame: 2 leaves 50 (25) a second. CTC needs more output frames than characters."""
    kernel: int = Field(9, ge=3, le=63)
    """Output frames under a convolution, odd ("cnn", "cnn_bilstm", "conformer"), and around a frame of the "mlp"."""
    heads: int = Field(4, ge=1, le=32)
    """Of attention; divides `width` ("transformer", "conformer")."""
    dropout: float = Field(0.1, ge=0.0, lt=1.0)
    whole: int = Field(0, ge=0, le=1024)
    """Detectors of a last layer that says one word of the whole clip (`whole.py`); 0 writes frame by frame."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.coefficients > self.bands and self.input == "mfcc":
            raise ValueError(f"coefficients = {self.coefficients} is more than bands = {self.bands}: lower it.")
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel = {self.kernel} must be odd, to have a middle: take {self.kernel + 1}.")
        if self.net in ("transformer", "conformer") and self.width % (2 * self.heads):
            raise ValueError(f"width = {self.width} must be a multiple of 2 x heads = {2 * self.heads}.")
        if self.net == "none" and not self.whole:
            raise ValueError("net = none leaves all to the last layer: set whole.")
        if self.input == "states" and self.levelled:
            raise ValueError('input = "states" is not for levelled = true: an encoder does that for itself.')
        if "bilstm" in self.net and self.width % 2:
            raise ValueError(f"width = {self.width} must be even: half of it reads forwards, half backwards.")
        return self

    @property
    def features(self) -> Features | States:
        """The features that a net of these settings is fed with; `States` have no encoder yet."""
        if self.input == "states":
            return States()
        return Features(self.input, self.bands, self.coefficients, self.levelled)
