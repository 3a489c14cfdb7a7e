"""A trained net as a folder: `config.json` (how it is built, what it writes) and `model.safetensors` (its weights, nothing that runs)."""

from pathlib import Path
from typing import Literal, Self

import safetensors.torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from safetensors import SafetensorError

from pipelines.errors import ModelError
from pipelines.nets.alphabet import Alphabet, Words
from pipelines.nets.ctc import CtcNet, build
from pipelines.nets.decoding import BeamSettings
from pipelines.nets.settings import NetSettings

CONFIG = "config.json"
WEIGHTS = "model.safetensors"


class CtcConfig(BaseModel):
    """All that is needed to build the net again and to read what it writes."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["ctc"] = "ctc"
    languages: tuple[str, ...] = Field(min_length=1)
    """ISO 639-1 codes of what it was trained on."""
    characters: str = ""
    """The alphabet, without the blank."""
    words: tuple[str, ...] = ()
    """Whole words that it writes instead of characters."""
    one: bool = False
    """Whether one of `words` is all that is ever said; finals then are the likeliest of them."""
    net: NetSettings
    beam: BeamSettings | None = None
    """For finals; None is greedy, unless there is a language model."""
    language_model: str | None = None
    """Name of an ARPA file in the folder, which finals are searched with."""

    @model_validator(mode="after")
    def _one_alphabet(self) -> Self:
        if bool(self.characters) == bool(self.words):
            raise ValueError("either characters or words must say what the network writes.")
        if self.words and (self.beam or self.language_model):
            raise ValueError("a network that writes whole words is not searched with beam or language_model.")
        if self.one and not self.words:
            raise ValueError("one chooses among words: there are none.")
        return self

    @property
    def alphabet(self) -> Alphabet:
        """What the network writes. Raises ValueError if it cannot be one."""
        return Words(self.words) if self.words else Alphabet(self.characters)

    @field_validator("language_model")
    @classmethod
    def _beside(cls, name: str | None) -> str | None:
        if name is not None and Path(name).name != name:
            raise ValueError("language_model must be the name of a file in the same folder.")
        return name


def save(folder: Path, net: CtcNet, config: CtcConfig) -> None:
    """Write both files into `folder`, which is made if needed. A language model named in `config` is put there by the caller."""
    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in net.state_dict().items()}
    safetensors.torch.save_file(weights, folder / WEIGHTS)
    (folder / CONFIG).write_text(config.model_dump_json(indent=2) + "\n", encoding="utf-8")


def load(folder: Path) -> tuple[CtcNet, CtcConfig]:
    """The net, on the CPU and ready to transcribe (`eval`). Raises ModelError when a file is missing or broken, or they do not match."""
    mend = "Export it again with `allo train`."
    try:
        config = CtcConfig.model_validate_json((folder / CONFIG).read_bytes())
        net = build(config.net, config.alphabet.size)
        net.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise ModelError(f"{folder / CONFIG}: {problems}. {mend}") from error
    except ValueError as error:
        raise ModelError(f"{folder / CONFIG}: {error}. {mend}") from error
    except OSError as error:
        raise ModelError(f"no network can be loaded from {folder}: {error}. {mend}") from error
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(f"{folder / WEIGHTS} does not hold the network of {CONFIG}: {error}. {mend}") from error
    return net.eval(), config
