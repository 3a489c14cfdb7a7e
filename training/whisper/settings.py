"""What a Whisper recipe can say. Checked as a whole before anything is loaded."""

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le, Len
from pydantic import model_validator

from training.common.manifests import OnBad
from training.common.recipe import Section
from training.common.telephony import TelephoneSettings

Share = Annotated[float, Ge(0.0), Le(1.0)]
Count = Annotated[int, Ge(1)]
Part = Literal["encoder", "cross_attention", "decoder", "all"]


class Kept(Section):
    """Recordings of what the model can do already, mixed in so that it is not forgotten."""

    manifest: str
    most: Count
    """Clips, drawn by the seed; of those whose speakers are not held aside."""


class Data(Section):
    """Which recordings, and who is kept out of them."""

    manifests: Annotated[tuple[str, ...], Len(1)]
    """Files of JSON lines, relative to a folder given by --data."""
    kept: tuple[Kept, ...] = ()
    unwritten: tuple[str, ...] = ()
    """Manifests of speech without a text, labelled by the model that is started from."""
    held_aside: tuple[str, ...] | Share = 0.2
    """Speakers that are not trained on, or the share of the clips to reach with speakers drawn by the seed; [] or 0 holds nobody
    aside, for recordings of one person."""
    most_per_speaker: Count = 100_000
    """Clips of one speaker that are trained on; the others are left out, drawn by the seed."""
    own_words: bool = False
    """Whether what the unchanged model writes is the label wherever a reference is bare, even if its words differ: for distillation
    alone, and for references that are what should have been said and not what was (learners, children)."""
    watched: Annotated[int, Ge(0)] = 32
    """Clips of the speakers trained on that are not trained on, nor is another clip with the same text: to choose the best
    checkpoint by."""
    on_bad: OnBad = "stop"


class Context(Section):
    """How much the encoder is given behind the utterance."""

    margin_s: tuple[float, float] = (30.0, 30.0)
    """Seconds, drawn evenly for each batch; 30 s is Whisper's full context."""
    full: Share = 0.0
    """Share of the batches that get the full context all the same."""
    watched_s: Annotated[float, Gt(0.0), Le(30.0)] = 30.0
    """Seconds behind the clips that the best checkpoint is chosen by."""

    @model_validator(mode="after")
    def _range(self) -> "Context":
        low, high = self.margin_s
        if not 0.0 <= low <= high <= 30.0:
            raise ValueError("margin_s is a range of seconds from 0 to 30: write the smaller one first")
        return self


class Lora(Section):
    """Low-rank matrices beside the frozen projections (Hu et al. 2021), merged into them at the end."""

    rank: Count = 32
    alpha: Annotated[float, Gt(0.0)] = 64.0
    dropout: Share = 0.0
    modules: tuple[str, ...] = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


class Channel(Section):
    """The telephone. `drawn`: share of the clips that get a line of their own, drawn from `telephone`; the others the plain one. With 0
    and `plain` false, the recordings are heard as they are."""

    plain: bool = True
    drawn: Share = 0.0
    telephone: TelephoneSettings = TelephoneSettings()


class Train(Section):
    """What learns, and how fast."""

    part: Part = "all"
    lora: Lora | None = None
    """If given, low-rank matrices learn in `part` instead of all its weights."""
    steps: Count = 300
    batch: Count = 8
    accumulate: Count = 1
    learning_rate: Annotated[float, Gt(0.0)] = 1e-5
    warmup: Annotated[int, Ge(0)] = 20
    weight_decay: Annotated[float, Ge(0.0)] = 0.0
    label: Annotated[float, Ge(0.0)] = 1.0
    """Weight of the cross-entropy with the label."""
    teacher: Annotated[float, Ge(0.0)] = 0.0
    """Weight of staying close to what the unchanged model says with much context."""
    teacher_margin_s: Annotated[float, Gt(0.0), Le(30.0)] = 30.0
    """Seconds behind the utterance that the unchanged model is given."""
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    save_every: Count = 50
    patience: Count = 1_000
    """Measures without a better one, after which it ends early."""
    seed: int = 0


class Recipe(Section):
    """`model`: a model of the store, a folder, or a hub repository as OWNER/NAME."""

    model: str = "whisper-base"
    task: Literal["transcribe", "translate"] = "transcribe"
    data: Data
    context: Context = Context()
    channel: Channel = Channel()
    train: Train = Train()
