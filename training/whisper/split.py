"""Who is trained on, who chooses the best checkpoint, and who is only measured at the end."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from training.common import manifests
from training.common.errors import DataError
from training.common.manifests import Clip
from training.common.splits import by_speaker
from training.whisper.settings import Recipe

Say = Callable[[str], None]


class Split(msgspec.Struct, frozen=True):
    """`watched`: clips of speakers trained on, with texts not trained on; `aside`: speakers not trained on."""

    train: list[Clip]
    watched: list[Clip]
    aside: list[Clip]


def find(name: str, folders: Sequence[Path]) -> Path:
    """The manifest of that name in the first of `folders` that has it. Raises DataError."""
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    raise DataError(
        f"{name} is in none of {', '.join(map(str, folders))}: mend --data, or the recipe's data.manifests."
    )


def split(recipe: Recipe, folders: Sequence[Path], say: Say = print) -> Split:
    """The clips of a recipe, with manifests from `folders`, divided by speaker. Raises DataError."""
    settings, order = recipe.data, random.Random(recipe.train.seed)

    def read(*names: str, text: bool = True) -> list[Clip]:
        paths = [find(name, folders) for name in names]
        return manifests.read_all(paths, manifests.Limits(text=text), on_bad=settings.on_bad, say=say)

    taught = read(*settings.manifests)
    kept = [(part.most, read(part.manifest)) for part in settings.kept]
    everything = [*taught, *(clip for _, clips in kept for clip in clips)]
    if settings.held_aside:
        train, aside = by_speaker(everything, settings.held_aside, recipe.train.seed)
    else:  # one person's own recordings: other sentences of his are watched
        train, aside = everything, []
    names = {clip.speaker for clip in train}
    order.shuffle(taught)
    train = _most([clip for clip in taught if clip.speaker in names], settings.most_per_speaker)
    watched, texts = train[: settings.watched], {clip.text for clip in train[: settings.watched]}
    train = [clip for clip in train[settings.watched :] if clip.text not in texts]
    for most, clips in kept:
        mine = [clip for clip in clips if clip.speaker in names and clip.text not in texts]
        train += order.sample(mine, min(most, len(mine)))
    if settings.unwritten:
        train += read(*settings.unwritten, text=False)
    if len(train) < recipe.train.batch:
        raise DataError(
            f"{len(train)} clips are left to train on, less than one batch: lower data.held_aside, data.watched or train.batch."
        )
    return Split(train, watched, aside)


def _most(clips: Sequence[Clip], most: int) -> list[Clip]:
    """At most that many clips of each speaker, the first."""
    taken: dict[str, int] = {}
    kept = []
    for clip in clips:
        taken[clip.speaker] = taken.get(clip.speaker, 0) + 1
        if taken[clip.speaker] <= most:
            kept.append(clip)
    return kept
