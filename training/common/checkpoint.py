"""A run's whole state in one file, so that it goes on with the same bits."""

import math
import os
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from training.common.errors import RecipeError


@dataclass
class Progressed:
    """How far a run is. It is the part of a checkpoint that a person can read."""

    step: int = 0
    epoch: int = 0
    batch: int = 0
    """Batches of this epoch that have been used."""
    best: float = math.inf
    best_step: int = 0
    since_best: int = 0
    """Evaluations since the best one."""
    cuts: int = 0
    """How often the plateau halved the learning rate."""
    skipped: int = 0
    bad_in_a_row: int = 0
    losses: list[tuple[int, float]] = field(default_factory=list)
    """(step, mean loss of the `log_every` steps up to it)."""
    measures: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    pending: list[float] = field(default_factory=list)
    """Losses since the curve's last point."""


def random_states() -> dict[str, Any]:
    """Of all generators that a training may draw from."""
    name, keys, *rest = np.random.get_state()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "python": random.getstate(),
        "numpy": (name, keys.tolist(), *rest),
    }


def set_random_states(states: dict[str, Any]) -> None:
    torch.set_rng_state(states["torch"])
    if states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])
    random.setstate(states["python"])
    name, keys, *rest = states["numpy"]
    np.random.set_state((name, np.array(keys, np.uint32), *rest))


def replace(file: Path, write: Callable[[str], None]) -> None:
    """Write beside `file` and move over it: a kill leaves the old one or the new one, whole."""
    beside = file.with_name(f".{file.name}.{os.getpid()}")
    write(str(beside))
    os.replace(beside, file)


def save(file: Path, accelerator: Accelerator, plain, optimizer, same: Mapping[str, Any], at: Progressed) -> None:
    """Write the checkpoint, whole or not at all. All processes call this; the first one writes. `same`: settings that the next
    part of the run must have as well."""
    states = gather_object([random_states()])
    if not accelerator.is_main_process:
        return
    content = {
        "settings": dict(same),
        "at": asdict(at),
        "model": plain.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scaler": accelerator.scaler.state_dict() if accelerator.scaler else None,
        "random": states,
    }
    replace(file, lambda beside: torch.save(content, beside))


def load(file: Path, accelerator: Accelerator, plain, optimizer, same: Mapping[str, Any]) -> Progressed:
    """Put back what `save` wrote and say how far it was. Raises RecipeError naming each setting that is another now."""
    content = torch.load(file, map_location="cpu", weights_only=True)
    was, now = content["settings"], same
    changed = [key for key in now if was.get(key) != now[key]]
    if changed or len(content["random"]) != accelerator.num_processes:
        said = ", ".join(f"loop.{key} was {was.get(key)}, is {now[key]}" for key in changed) or "other processes"
        raise RecipeError(f"{file} is of another run: {said}. Give another --out, or --fresh to start anew.")
    plain.load_state_dict(content["model"])
    optimizer.load_state_dict(content["optimizer"])
    if accelerator.scaler and content["scaler"]:
        accelerator.scaler.load_state_dict(content["scaler"])
    set_random_states(content["random"][accelerator.process_index])
    return Progressed(**content["at"])
