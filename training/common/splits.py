"""Clips divided so that nobody who is tested was trained on."""

import random
from collections.abc import Sequence

from training.common.errors import DataError
from training.common.manifests import Clip


def by_speaker(
    clips: Sequence[Clip], held_aside: float | Sequence[str], seed: int = 0
) -> tuple[list[Clip], list[Clip]]:
    """(to train on, held aside): no speaker is in both.

    `held_aside`: names of speakers, or the share of the clips to reach (0 to 1) with speakers drawn by `seed`. Raises
    DataError if a name is unknown, if a clip has no speaker, or if either part would be empty.
    """
    nameless = [clip.audio.name for clip in clips if not clip.speaker]
    if nameless:
        raise DataError(
            f"{len(nameless)} clips have no speaker (the first is {nameless[0]}): they cannot be split by speaker."
        )
    names = sorted({clip.speaker for clip in clips})
    chosen = _drawn(clips, names, held_aside, seed) if isinstance(held_aside, float) else set(held_aside)
    if unknown := sorted(chosen - set(names)):
        raise DataError(f"No clip is by {', '.join(unknown)}. Speakers: {', '.join(names[:20])}.")
    train = [clip for clip in clips if clip.speaker not in chosen]
    aside = [clip for clip in clips if clip.speaker in chosen]
    if not train or not aside:
        raise DataError(
            f"{len(names)} speakers cannot be split so: {len(train)} clips to train on, {len(aside)} held aside."
        )
    return train, aside


def _drawn(clips: Sequence[Clip], names: Sequence[str], share: float, seed: int) -> set[str]:
    """Speakers, drawn until their clips are `share` of all; the last one that would go past it by more than it was short of
    it stays out, unless he is the first. One speaker is always left to train on."""
    counts = dict.fromkeys(names, 0)
    for clip in clips:
        counts[clip.speaker] += 1
    wanted, taken, chosen = share * len(clips), 0, set()
    for name in random.Random(seed).sample(list(names), len(names)):
        over = taken + counts[name] - wanted
        if taken >= wanted or len(chosen) == len(names) - 1 or (chosen and over > wanted - taken):
            continue
        chosen.add(name)
        taken += counts[name]
    return chosen
