"""The comparison's recipe and its cells: what is trained, and what is written down of it. `compare.py` runs them."""

import os
import time
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import msgspec
import numpy as np
import torch
from annotated_types import Ge
from pydantic import Field

from pipelines.audio.features import Kind
from pipelines.nets.ctc import build
from pipelines.nets.settings import Net, NetSettings
from pipelines.nets.streaming import keep_up
from training.common.loop import LoopSettings
from training.common.recipe import Section
from training.ctc.augment import Augment
from training.ctc.data import Batches, Utterance, Variations
from training.ctc.evaluate import ctc_loss
from training.ctc.recipe import CtcRecipe, DataSettings
from training.ctc.train import Prepared, fit

_TIMED_STEPS = 15
_TIMED_S = 2.0  # the clip whose streaming is timed


class Comparison(Section):
    """A whole recipe of `allo train compare`."""

    name: str = Field("compare", pattern=r"[a-z0-9][a-z0-9._-]*")
    language: str = "en"
    licence: str = "CC-BY-SA-4.0"
    data: DataSettings
    """`validation` and `test` are not read: each speaker is the unseen one in turn."""
    unseen: list[str] = Field(default_factory=list)
    """Speakers that are left out in turn, two at least; all if empty. The longer trainings leave out each speaker in turn."""
    inputs: tuple[Kind, ...] = ("mfcc", "log_mel", "spectrogram", "raw")
    nets: tuple[Net, ...] = ("mlp", "cnn", "lstm", "gru", "bilstm", "cnn_bilstm", "transformer", "conformer")
    seeds: Annotated[int, Ge(1)] = 3
    seconds: float = Field(
        6.0, gt=0, description="Processor time of one training; the steps that fit are measured first."
    )
    steps: int | None = Field(None, ge=1, description="The same steps for all instead of the same seconds.")
    best_seconds: float = Field(60.0, gt=0, description="Processor time of each training of the best cell, at the end.")
    words: bool = False
    """Whether a second rate is measured, with only the training's words to write; see `CtcRecipe.words`."""
    net: dict[str, Any] = Field(default_factory=dict)
    """Settings that all nets share: width, stride ..."""
    only: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings of one net: [only.conformer] ..."""
    learning_rates: dict[str, float] = Field(default_factory=dict)
    """Of nets or inputs that need another than the loop's; an input's is a factor."""
    augment: Augment = Augment()
    loop: LoopSettings = LoopSettings()

    def net_settings(self, input_: Kind, net: Net) -> NetSettings:
        """Of one cell."""
        return NetSettings.model_validate(self.net | self.only.get(net, {}) | {"input": input_, "net": net})

    def recipe(self, input_: Kind, net: Net, seed: int, unseen: str, steps: int) -> CtcRecipe:
        """What one training of a cell is, as a recipe of `allo train ctc`."""
        loop = {
            "steps": steps,
            "seed": seed,
            "learning_rate": self.learning_rates.get(net, self.loop.learning_rate)
            * self.learning_rates.get(input_, 1.0),
            "evaluate_every": max(1, -(-steps // 6)),
            "log_every": max(1, steps // 30),
            "checkpoint_every": 0,
            "tensorboard": False,
        }
        return CtcRecipe(
            name=f"{self.name}-{input_.replace('_', '-')}-{net.replace('_', '-')}",
            note=f"{net} on {input_}, from the comparison",
            language=self.language,
            licence=self.licence,
            data=self.data.model_copy(update={"test": [unseen], "validation": []}),
            net=self.net_settings(input_, net),
            augment=self.augment,
            loop=self.loop.model_copy(update=loop),
            words=self.words,
        )

    def cells(self) -> list[tuple[Kind, Net, int]]:
        """(input, net, seed) in the order of training: a worker keeps the features of one input at a time."""
        return list(product(self.inputs, self.nets, range(self.seeds)))


class Pace(msgspec.Struct):
    """How fast an input and a net are, on one core of this machine."""

    step_s: float
    """Processor time of a training step."""
    clips_per_s: float
    """In training."""
    real_time: float
    """Time to transcribe a stream as it comes in pieces of 100 ms, by its length (below 1 keeps up): causal nets take each
    piece once, the others run over all that was said so far. Without `levelled`, which would make all of them wait."""
    causal: bool
    parameters: int


class Fold(msgspec.Struct):
    """One training: a speaker left out and then listened to."""

    unseen: str
    steps: int
    train_s: float
    """Processor time, evaluations included."""
    losses: list[tuple[int, float]]
    measures: list[tuple[int, dict[str, float]]]
    """On the unseen speaker, for the curves; nothing is chosen by them."""
    word_errors: list[int]
    searched_errors: list[int]
    """Word errors with only the training's words to write; empty if the plan does not ask for it."""
    words: list[int]
    character_errors: list[int]
    characters: list[int]
    heard: list[str]
    said: list[str]


class Cell(msgspec.Struct):
    """All trainings of (input, net, seed)."""

    input: str
    net: str
    seed: int
    folds: list[Fold]

    def wer(self, without: str = "") -> float:
        """Word errors on unseen speakers by words, but for the speaker `without`."""
        folds = [fold for fold in self.folds if fold.unseen != without]
        return sum(sum(f.word_errors) for f in folds) / sum(sum(f.words) for f in folds)

    def searched(self) -> float | None:
        """Word errors with only the training's words to write, by words; None if that was not measured."""
        if not all(fold.searched_errors for fold in self.folds):
            return None
        return sum(sum(f.searched_errors) for f in self.folds) / sum(sum(f.words) for f in self.folds)

    def cer(self) -> float:
        """Character errors by characters."""
        return sum(sum(f.character_errors) for f in self.folds) / sum(sum(f.characters) for f in self.folds)


def write(file: Path, value: msgspec.Struct) -> None:
    """Whole or not at all: a file that is there is a cell that is done."""
    file.parent.mkdir(parents=True, exist_ok=True)
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    beside.write_bytes(msgspec.json.encode(value))
    beside.replace(file)


def timed(settings: NetSettings, alphabet_size: int, utterances: list[Utterance], batch: int) -> Pace:
    """Measure a new net of `settings`: the steps of training, and streaming."""
    torch.manual_seed(0)
    net = build(settings, alphabet_size)
    batches = Batches(utterances, Variations(utterances, Augment(), 0), net, batch, 0)
    net.normalise_by(*batches.moments())
    optimizer = torch.optim.AdamW(net.parameters())
    epoch = batches(0)
    net.train()
    took = []
    for number in range(_TIMED_STEPS):
        data = epoch[number % len(epoch)]
        start = time.process_time()
        ctc_loss(net, data).backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        took.append(time.process_time() - start)
    step_s = sorted(took)[len(took) // 2]
    speech = np.concatenate([u.audio for u in utterances[:20]])[: int(_TIMED_S * 16_000)]
    listening = build(settings.model_copy(update={"levelled": False}), alphabet_size)
    real_time = keep_up(listening.eval(), speech, piece=0.1).real_time_factor
    return Pace(step_s, batch / step_s, real_time, listening.causal, net.parameters_count)


def trained(recipe: CtcRecipe, utterances: list[Utterance], variations: Variations, kept: dict, out: Path) -> Fold:
    """One training, measured on the speaker that the recipe leaves out. The last weights are measured: none are chosen."""
    unseen = recipe.data.test[0]
    aside = [u for u in utterances if u.clip.speaker == unseen]
    rest = [u for u in utterances if u.clip.speaker != unseen]
    start = time.process_time()
    done = fit(
        recipe, Prepared(rest, aside, []), out, variations=variations, kept=kept, keep="last", fresh=True, quiet=True
    )
    assert done.validation is not None
    return Fold(
        unseen=unseen,
        steps=done.outcome.steps,
        train_s=time.process_time() - start,
        losses=done.outcome.losses,
        measures=done.outcome.measures,
        word_errors=[e.errors for e in done.validation.words],
        searched_errors=[e.errors for e in done.validation.searched],
        words=[e.total for e in done.validation.words],
        character_errors=[e.errors for e in done.validation.characters],
        characters=[e.total for e in done.validation.characters],
        heard=done.validation.texts,
        said=[u.clip.text for u in aside],
    )
