"""One training loop for every net: it reads from top to bottom, and what is random can be replayed.

    outcome = train(model, loss=..., batches=..., evaluate=..., settings=LoopSettings(steps=2000), out=Path("runs/a"))

It runs on a CPU, on one GPU, and on several (`accelerate launch -m ...`) by Accelerate. A run that is killed goes on from its
last checkpoint and ends, on a CPU, with the same bits as one that was not: the net, the optimizer, the random states and the
place in the epoch's order are kept; the learning rate is a function of the step; and a batch is a function of (epoch, place),
which is the one thing that the loop asks of its data.
"""

import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list, send_to_device
from pydantic import Field
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from safetensors.torch import load_model, save_model
from torch.utils.data import DataLoader

from training.common.checkpoint import Progressed, load, random_states, replace, save, set_random_states
from training.common.errors import DataError
from training.common.recipe import Section

BAD_STEPS_IN_A_ROW = 3
"""So many steps without a finite loss in a row end the run: the data or the learning rate is wrong, not one batch."""

Loss = Callable[[torch.nn.Module, Any], torch.Tensor]
Evaluate = Callable[[torch.nn.Module], Mapping[str, float]]
Batches = Callable[[int], Sequence[Any]]
"""Epoch -> its batches in their order. Item i must be the same whenever it is asked for."""


class LoopSettings(Section):
    """The `[loop]` table of every recipe."""

    steps: int = Field(1000, ge=1, description="Optimizer steps of the whole run.")
    learning_rate: float = Field(1e-3, gt=0, description="At its highest.")
    weight_decay: float = Field(1e-2, ge=0)
    warm_up: float = Field(0.1, ge=0, le=1, description="Part of the steps in which the learning rate rises from 0.")
    schedule: Literal["cosine", "plateau", "constant"] = "cosine"
    floor: float = Field(0.01, ge=0, le=1, description="Cosine ends at this part of the learning rate.")
    plateau: int = Field(3, ge=1, description="Evaluations without gain before the learning rate is halved.")
    clip: float = Field(1.0, gt=0, description="Largest norm of the gradient.")
    accumulate: int = Field(1, ge=1, description="Batches in one step.")
    precision: Literal["auto", "no", "fp16", "bf16"] = Field("auto", description="auto: bf16 or fp16 on a GPU.")
    seed: int = Field(0, ge=0)
    evaluate_every: int = Field(100, ge=1, description="Steps.")
    patience: int = Field(0, ge=0, description="Evaluations without gain that end the run; 0: never.")
    checkpoint_every: int = Field(500, ge=0, description="Steps; 0: no checkpoints.")
    log_every: int = Field(10, ge=1, description="Steps in one point of the loss curve.")
    loader_workers: int = Field(0, ge=0, description="Processes that prepare batches; 0: this one.")
    tensorboard: bool = True


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    steps: int
    skipped: int
    best: float
    """Of the watched measure; inf if nothing was evaluated."""
    best_step: int
    stopped_early: bool
    losses: list[tuple[int, float]]
    measures: list[tuple[int, dict[str, float]]]


def rate_factor(settings: LoopSettings, step: int, cuts: int = 0) -> float:
    """Part of the learning rate in force at `step` (0 is the first), 0 to 1."""
    warm = settings.warm_up * settings.steps
    if step < warm:
        return (step + 1) / warm if warm >= 1 else 1.0
    if settings.schedule == "plateau":
        return 0.5**cuts
    if settings.schedule == "constant":
        return 1.0
    done = (step - warm) / max(1.0, settings.steps - warm)
    return settings.floor + (1 - settings.floor) * 0.5 * (1 + math.cos(math.pi * done))


def train(
    model: torch.nn.Module,
    *,
    loss: Loss,
    batches: Batches,
    settings: LoopSettings,
    out: Path,
    evaluate: Evaluate | None = None,
    watch: str = "loss",
    keep: Literal["best", "last"] = "best",
    reported: Callable[[int, Mapping[str, float]], None] | None = None,
    fresh: bool = False,
    quiet: bool = False,
) -> Outcome:
    """Train `model` in place; at the end it holds the weights of the best evaluation (`keep="best"`) or of the last step.

    `loss(model, batch)` is a scalar. `evaluate(model)` names its measures; the one named `watch` should fall. `reported` hears
    them, and what it raises ends the run (a pruned trial). `out` gets checkpoint.pt, best.safetensors, curves.json and
    TensorBoard's events. A run that `out` already holds is gone on with, unless `fresh`.

    Raises DataError after three steps in a row without a finite loss, and RecipeError if `out` holds another recipe's run.
    """
    accelerator = Accelerator(mixed_precision=_precision(settings.precision))
    main = accelerator.is_main_process
    out.mkdir(parents=True, exist_ok=True)
    checkpoint, best_file = out / "checkpoint.pt", out / "best.safetensors"
    if fresh and main:
        for old in (checkpoint, best_file):
            old.unlink(missing_ok=True)
    accelerator.wait_for_everyone()

    # What a run cannot change between its parts.
    same = settings.model_dump(exclude={"patience", "checkpoint_every", "loader_workers", "tensorboard"})
    torch.manual_seed(
        settings.seed + accelerator.process_index
    )  # what each process draws differs; a resumed run draws on
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay)
    model, optimizer = accelerator.prepare(model.to(accelerator.device), optimizer)
    plain = accelerator.unwrap_model(model)
    at = load(checkpoint, accelerator, plain, optimizer, same) if checkpoint.exists() else Progressed()
    random_now = random_states()  # opening a loader must not move them
    board = _tensorboard(out, at.step) if settings.tensorboard and main else None
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), transient=True
    )
    bar.disable = quiet or not main or not bar.console.is_terminal
    stopped = False

    with bar:
        task = bar.add_task("training", total=settings.steps, completed=at.step)
        while at.step < settings.steps and not stopped:
            epoch = batches(at.epoch)
            loader = _loader(epoch, at.batch, accelerator, settings)
            set_random_states(random_now)
            for group in loader:
                # ---- one step: forward and backward over its batches ----
                model.train()
                factor = rate_factor(settings, at.step, at.cuts)
                for each in optimizer.param_groups:
                    each["lr"] = settings.learning_rate * factor
                total = 0.0
                for number, batch in enumerate(group):
                    last = number == len(group) - 1
                    with accelerator.autocast(), _together(accelerator, model, last):
                        value = loss(model, send_to_device(batch, accelerator.device)) / len(group)
                        if not _finite_everywhere(accelerator, value):
                            total = math.nan
                            break
                        accelerator.backward(value)
                        total += value.item()
                norm = math.nan
                if math.isfinite(total):
                    norm = float(accelerator.clip_grad_norm_(model.parameters(), settings.clip))
                at.step += 1
                at.batch += len(group) * accelerator.num_processes
                if math.isfinite(norm) or (math.isfinite(total) and accelerator.scaler is not None):
                    optimizer.step()  # fp16's scaler leaves out a step whose gradient overflowed, and lowers its scale
                    at.bad_in_a_row = 0
                    at.pending.append(total)
                else:
                    at.skipped += 1
                    at.bad_in_a_row += 1
                optimizer.zero_grad(set_to_none=True)
                if at.bad_in_a_row >= BAD_STEPS_IN_A_ROW:
                    raise DataError(
                        f"step {at.step}: the loss was not a finite number in {BAD_STEPS_IN_A_ROW} steps in a row "
                        f"({at.skipped} in all). Lower loop.learning_rate, or look for broken clips."
                    )
                # ---- what is said about it ----
                if at.step % settings.log_every == 0 and at.pending:
                    mean = sum(at.pending) / len(at.pending)
                    at.losses.append((at.step, mean))
                    at.pending.clear()
                    bar.update(task, description=f"loss {mean:.3f}" + (f", {at.skipped} skipped" * bool(at.skipped)))
                    if board:
                        for name, scalar in (("loss", mean), ("learning_rate", settings.learning_rate * factor)):
                            board.add_scalar(name, scalar, at.step)
                        board.add_scalar("gradient_norm", norm, at.step)
                bar.update(task, completed=at.step)
                # ---- evaluation, the best weights, early stopping ----
                done = at.step >= settings.steps
                if evaluate is not None and (done or at.step % settings.evaluate_every == 0):
                    measures = _evaluate(accelerator, evaluate, plain)
                    at.measures.append((at.step, measures))
                    for name, scalar in measures.items() if board else ():
                        board.add_scalar(f"validation/{name}", scalar, at.step)
                    if measures[watch] < at.best:
                        at.best, at.best_step, at.since_best = measures[watch], at.step, 0
                        if main and keep == "best":
                            replace(best_file, lambda file: save_model(plain, file))
                    else:
                        at.since_best += 1
                        if settings.schedule == "plateau" and at.since_best % settings.plateau == 0:
                            at.cuts += 1
                    if reported is not None:
                        reported(at.step, measures)
                    stopped = bool(settings.patience) and at.since_best >= settings.patience
                if settings.checkpoint_every and (done or stopped or at.step % settings.checkpoint_every == 0):
                    save(checkpoint, accelerator, plain, optimizer, same, at)
                if done or stopped:
                    break
            else:
                at.epoch, at.batch = at.epoch + 1, 0
                random_now = random_states()
    if board:
        board.close()
    accelerator.wait_for_everyone()
    if keep == "best" and best_file.exists():
        load_model(plain, str(best_file))
    outcome = Outcome(
        steps=at.step,
        skipped=at.skipped,
        best=at.best,
        best_step=at.best_step,
        stopped_early=at.step < settings.steps,
        losses=at.losses,
        measures=at.measures,
    )
    if main:
        (out / "curves.json").write_text(json.dumps(asdict(outcome)) + "\n")
    return outcome


def _loader(epoch: Sequence[Any], used: int, accelerator: Accelerator, settings: LoopSettings):
    """What is left of the epoch, as groups of `accumulate` batches. Process r of n takes every n-th batch, from r on."""
    places = list(range(used, len(epoch)))
    whole = len(places) - len(places) % accelerator.num_processes or len(places)  # all processes take as many steps
    if accelerator.num_processes > len(epoch):
        raise DataError(f"{len(epoch)} batches an epoch are too few for {accelerator.num_processes} processes")
    mine = places[:whole][accelerator.process_index :: accelerator.num_processes]
    loader = DataLoader(
        epoch,  # type: ignore[arg-type]  # a sequence is a data set
        sampler=mine,
        batch_size=None,
        num_workers=settings.loader_workers,
        generator=torch.Generator().manual_seed(0),  # of its own: the loader draws a number when it is opened
    )
    group = []
    for batch in loader:
        group.append(batch)
        if len(group) == settings.accumulate:
            yield group
            group = []
    if group:
        yield group


def _together(accelerator: Accelerator, model: torch.nn.Module, last: bool):
    """Gradients of several processes are joined in the last batch of a step only."""
    return nullcontext() if last else accelerator.no_sync(model)


def _finite_everywhere(accelerator: Accelerator, value: torch.Tensor) -> bool:
    """True if no process has NaN or inf: all must take the step, or none."""
    bad = (~torch.isfinite(value.detach())).float()
    return accelerator.reduce(bad, "sum").item() == 0


def _evaluate(accelerator: Accelerator, evaluate: Evaluate, plain: torch.nn.Module) -> dict[str, float]:
    """The first process measures and tells the others: they must all decide alike."""
    said: list[dict[str, float] | None] = [None]
    if accelerator.is_main_process:
        states = random_states()
        plain.eval()
        with torch.no_grad():
            said = [dict(evaluate(plain))]
        set_random_states(states)
    return broadcast_object_list(said)[0]


def _precision(asked: str) -> str:
    if asked != "auto":
        return asked
    if not torch.cuda.is_available():
        return "no"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def _tensorboard(out: Path, step: int):
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(str(out / "tensorboard"), purge_step=step + 1 if step else None)
