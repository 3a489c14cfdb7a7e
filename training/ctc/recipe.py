"""What a recipe of this room says, beside the loop's own table."""

import json
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge
from pydantic import Field, model_validator

from pipelines.nets import alphabet
from pipelines.nets.alphabet import Alphabet, Words
from pipelines.nets.settings import NetSettings
from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.ctc.augment import Augment


class DataSettings(Section):
    """The `[data]` table: which clips, who is held aside, what to do about bad ones."""

    manifests: Annotated[list[str], Field(min_length=1)]
    """Relative to --data."""
    also: list[str] = Field(default_factory=list)
    """More manifests, whose clips are only ever trained on: synthesized voices, as a rule."""
    validation: list[str] | float = 0.15
    """Speakers, or the share of the clips whose speakers are drawn. They choose the weights that are kept."""
    test: list[str] | float = 0.15
    """As `validation`. They are measured once, at the end."""
    seed: int = Field(0, ge=0, description="Draws the speakers held aside.")
    min_s: float = Field(0.1, ge=0, description="Seconds a clip must last.")
    max_s: float = Field(20.0, gt=0, description="Seconds a clip may last.")
    on_bad: Literal["stop", "skip"] = "stop"
    alphabet: str | list[str] = Field(
        "english", description='"english", "french", the characters themselves, or a list of the only words there are.'
    )
    line: bool = Field(False, description="Whether validation and test are heard through a good telephone line.")
    around: float = Field(
        0.0, ge=0, le=1, description="Seconds of silence put around every clip, as a call has; for words cut out tight."
    )
    batch: Annotated[int, Ge(1)] = 16
    """Clips."""


class CtcRecipe(Section):
    """A whole recipe."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9._-]*")
    note: str = ""
    licence: str = "CC-BY-SA-4.0"
    """Of the weights; that of the data, as a rule."""
    language: str = "en"
    data: DataSettings
    net: NetSettings = NetSettings()
    augment: Augment = Augment()
    loop: LoopSettings = LoopSettings()
    words: bool = Field(
        False, description="Whether the server may write the training's words alone (beam search), as in a menu."
    )
    one: bool = Field(False, description="Whether one of the alphabet's words is all that is ever said.")
    start: str = Field("", description="A folder of `allo train pretrain`, whose net this one goes on from.")
    encoder: str = Field(
        "", description='Model of the store, a Whisper, whose encoder is heard through (net.input = "states").'
    )
    held: bool = Field(
        False, description="Whether what `start` has learnt is left as it is, and only layers that it has not learn."
    )
    threads: int = Field(1, ge=1, description="Of torch on a CPU; with 1 the same seed gives the same figures.")

    @model_validator(mode="after")
    def _words_once(self) -> Self:
        if self.words and isinstance(self.data.alphabet, list):
            raise ValueError("words = true searches among words by their letters; an alphabet of words has none.")
        if self.one and not isinstance(self.data.alphabet, list):
            raise ValueError("one = true chooses among words: name them all in data.alphabet.")
        if bool(self.encoder) != (self.net.input == "states"):
            raise ValueError(
                'encoder and net.input = "states" go together: name a Whisper, as encoder = "whisper-base".'
            )
        if self.net.whole and not self.one:
            raise ValueError("net.whole says one word of a whole clip: set one = true.")
        return self

    def letters(self) -> Alphabet:
        """The characters the net can write, or the words."""
        if isinstance(self.data.alphabet, list):
            return Words(self.data.alphabet)
        named = {"english": alphabet.ENGLISH, "french": alphabet.FRENCH}
        return Alphabet(named.get(self.data.alphabet, self.data.alphabet))


def to_toml(recipe: CtcRecipe) -> str:
    """A recipe as a file that reads back to the same recipe."""
    lines: list[str] = []

    def table(name: str, values: dict[str, Any]) -> None:
        plain = {key: value for key, value in values.items() if not isinstance(value, dict) and value is not None}
        if name and plain:
            lines.extend(["", f"[{name}]"])
        lines.extend(f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in plain.items())
        for key, value in values.items():
            if isinstance(value, dict):
                table(f"{name}.{key}" if name else key, value)

    table("", recipe.model_dump(mode="json"))
    return "\n".join(lines) + "\n"
