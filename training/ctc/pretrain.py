"""A net learns to hear before it learns to write: of each 20 ms of speech by many people, what a large model says of it.

    out/teacher-4/*.npy      the teacher's states (`teacher.py`); asked for once
    out/run/                checkpoint and curves
    out/start/              the net, for `start` of a recipe of `allo train ctc`

Loss: how far the net's frames, through a layer that is thrown away, are from the teacher's states (their 64 first principal components; smooth
L1). The net hears the clip through another throat, pace, microphone and telephone, the teacher as it was recorded: what both have in common is what was said. No text is needed.

(Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"; Chang et al. 2022, "DistilHuBERT".)
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import safetensors.torch
import torch
from pydantic import Field
from torch import nn

from pipelines.audio.features import Moments
from pipelines.nets.ctc import CtcNet, build, pad
from pipelines.nets.settings import NetSettings
from training.common import audio, manifests
from training.common.batching import alike
from training.common.errors import RecipeError
from training.common.loop import LoopSettings, train
from training.common.manifests import Limits
from training.common.recipe import Section
from training.ctc import teacher
from training.ctc.augment import Augment, masked
from training.ctc.data import Utterance, Variations

Say = Callable[[str], None]
NET, WEIGHTS = "net.json", "start.safetensors"
_MEASURED = 100  # clips


class Speech(Section):
    """The `[data]` table."""

    manifests: Annotated[list[str], Field(min_length=1)]
    """Relative to --data. No text is needed."""
    min_s: float = Field(0.3, ge=0, description="Seconds a clip must last.")
    max_s: float = Field(29.0, gt=0, le=30, description="Seconds a clip may last.")
    on_bad: Literal["stop", "skip"] = "stop"
    batch: int = Field(8, ge=1, description="Clips.")


class Pretraining(Section):
    """A whole recipe."""

    teacher: str = Field("whisper-base", description="A Whisper: of the model store, a folder, or of the hub.")
    layer: int = Field(
        4, ge=1, description="Of its encoder. The first hear sound, the last have left the sound behind."
    )
    size: int = Field(64, ge=1, description="Numbers that are kept of what it says.")
    start: str = Field("", description="A folder that another run has made, whose net this one goes on from.")
    data: Speech
    net: NetSettings = NetSettings()
    augment: Augment = Augment()
    loop: LoopSettings = LoopSettings()
    threads: int = Field(1, ge=1, description="Of torch on a CPU.")


class Pupil(nn.Module):
    """A net and the layer that says what the teacher would."""

    def __init__(self, net: CtcNet, size: int) -> None:
        super().__init__()
        self.net = net
        self.says = nn.Linear(net.settings.width, size)

    def forward(self, features: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """features (B, T, F), lengths (B,) -> (B, T', size)."""
        return self.says(self.net.heard(features, lengths)[0])


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Smooth L1 between what the pupil says and `states` (B, T', size), a mean over the frames where `there` (B, T') is true."""
    said = model(batch["features"], batch["lengths"])
    return nn.functional.smooth_l1_loss(said[batch["there"]], batch["states"][batch["there"]])


class Lessons:
    """Batch i of an epoch, the same in every process."""

    def __init__(
        self, utterances: Sequence[Utterance], files: Sequence[Path], recipe: Pretraining, net: CtcNet
    ) -> None:
        self.utterances, self.recipe, self.net = utterances, recipe, net
        self.variations = Variations(utterances, recipe.augment, recipe.loop.seed)
        states = [np.load(file) for file in files]
        summary = teacher.Summary(states, recipe.size)
        self.states = [summary(each) for each in states]

    def __call__(self, epoch: int) -> "Epoch":
        lengths = [len(utterance.audio) for utterance in self.utterances]
        return Epoch(self, epoch, alike(lengths, self.recipe.data.batch, seed=self.recipe.loop.seed, epoch=epoch))

    def pair(self, index: int, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Features of a variation (T, F), and the teacher's states at its net's frames (T', size)."""
        utterance = self.utterances[index]
        samples = self.variations.audio(utterance, number)
        frames = self.net.features(samples)
        # A variation has another pace throughout, so its states lie evenly along the recording's.
        hop = 160 * self.net.settings.stride
        middles = np.arange(self.net.frames_out(len(frames))) * hop + (hop + 240) / 2
        places = middles * len(utterance.audio) / len(samples) / teacher.HOP
        return frames, between(self.states[index], places)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Of the features, for `CtcNet.normalise_by`."""
        found = Moments(self.net.features.size)
        for utterance in self.utterances[:: max(1, len(self.utterances) // _MEASURED)]:
            found.add(self.net.features(self.variations.audio(utterance, self.recipe.augment.variations - 1)))
        return found.mean, found.deviation


def between(states: np.ndarray, places: np.ndarray) -> np.ndarray:
    """`states` (n, size) at `places` (m,) that need not be whole, on a straight line between two; float32 (m, size)."""
    places = np.clip(places, 0, len(states) - 1)
    low = np.minimum(places.astype(int), max(0, len(states) - 2))
    part = (places - low).astype(np.float32)[:, None]
    high = np.minimum(low + 1, len(states) - 1)
    return (1 - part) * states[low] + part * states[high]


class Epoch(Sequence):
    """The batches of one epoch, made when asked for."""

    def __init__(self, lessons: Lessons, number: int, chunks: Sequence[np.ndarray]) -> None:
        self._lessons, self._number, self._chunks = lessons, number, chunks

    def __len__(self) -> int:
        return len(self._chunks)

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        lessons, augment = self._lessons, self._lessons.recipe.augment
        features, states = [], []
        for index in self._chunks[place]:
            rng = np.random.default_rng([lessons.recipe.loop.seed, self._number, int(index)])
            frames, said = lessons.pair(int(index), int(rng.integers(augment.variations)))
            features.append(masked(frames, augment, rng, lessons.recipe.net.input))
            states.append(said)
        padded, lengths = pad(features)
        taught, frames_ = pad(states)
        there = torch.arange(taught.shape[1]) < frames_[:, None]
        return {"features": padded, "lengths": lengths, "states": taught, "there": there}


def pretrain(
    recipe: Pretraining,
    data: Path,
    out: Path,
    *,
    asked: Callable[[str, int], teacher.Teacher] = teacher.whisper,
    fresh: bool = False,
    quiet: bool = False,
    say: Say = print,
) -> Path:
    """The whole way; returns `out/start`. `asked`: from the teacher's name and layer, the teacher. Raises DataError, ModelError."""
    torch.set_num_threads(recipe.threads)
    clips = manifests.read_all(
        [data / name for name in recipe.data.manifests],
        Limits(min_s=recipe.data.min_s, max_s=recipe.data.max_s, text=False),
        on_bad=recipe.data.on_bad,
        say=say,
    )
    say(
        f"{len(clips)} clips, {sum(clip.duration for clip in clips) / 60:.1f} min, {len({c.speaker for c in clips})} speakers"
    )
    files = teacher.states(clips, lambda: asked(recipe.teacher, recipe.layer), out / f"teacher-{recipe.layer}")
    torch.manual_seed(recipe.loop.seed)
    net = build(recipe.net, 1)
    lessons = Lessons([Utterance(clip, audio.load(clip.audio), []) for clip in clips], files, recipe, net)
    if recipe.start:
        start(net, Path(recipe.start))
    else:
        net.normalise_by(*lessons.moments())
    pupil = Pupil(net, recipe.size)
    outcome = train(
        pupil, loss=loss, batches=lessons, settings=recipe.loop, out=out / "run", keep="last", fresh=fresh, quiet=quiet
    )
    say(
        f"{outcome.steps} steps, loss {outcome.losses[0][1]:.3f} to {outcome.losses[-1][1]:.3f}"
        if outcome.losses
        else ""
    )
    folder = out / "start"
    folder.mkdir(exist_ok=True)
    weights = {
        name: value.contiguous() for name, value in net.cpu().state_dict().items() if not name.startswith("head.")
    }
    safetensors.torch.save_file(weights, folder / WEIGHTS)
    (folder / NET).write_text(recipe.net.model_dump_json(indent=2) + "\n")
    return folder


def start(net: CtcNet, folder: Path, *, held: bool = False) -> None:
    """Give `net` what the one in `folder` has learnt to hear. What it has more, the layer that writes and perhaps a few below it, stays new; with `held`,
    only that will learn. Raises RecipeError if they are not of one build."""
    try:
        theirs = NetSettings.model_validate_json((folder / NET).read_bytes())
        weights = safetensors.torch.load_file(folder / WEIGHTS)
    except (OSError, ValueError) as error:
        raise RecipeError(
            f"start: {folder} holds no net to start from ({error}). Make it with `allo train pretrain`."
        ) from error
    free = {"dropout", "whole"}
    mine = net.settings.model_dump(exclude=free) | {"layers": min(net.settings.layers, theirs.layers)}
    if other := [key for key, value in theirs.model_dump(exclude=free).items() if mine[key] != value]:
        wanted = ", ".join(f"{key} = {json.dumps(getattr(theirs, key))}" for key in other)
        raise RecipeError(f"start: the net in {folder} is of another build. Set [net] {wanted}.")
    net.load_state_dict(net.state_dict() | weights)
    for name, parameter in net.named_parameters():
        parameter.requires_grad_(not (held and name in weights))
