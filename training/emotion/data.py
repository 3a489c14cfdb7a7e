"""Acted emotions as they come through a telephone, and callers who feel nothing in particular."""

import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.common import audio, manifests, telephony
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.ctc.augment import Augment, vary
from training.emotion.recipe import EmotionRecipe

Floats = NDArray[np.float32]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Spoken:
    """A clip and the number of its label."""

    clip: Clip
    label: int

    @property
    def name(self) -> str:
        return f"{self.clip.audio.parent.name}/{self.clip.audio.name}"


def read(recipe: EmotionRecipe, data: Path, say: Say = print) -> list[Spoken]:
    """The recipe's clips. Raises DataError that lists lines without an emotion, or a label that nobody plays."""
    limits = Limits(min_s=recipe.data.min_s, max_s=recipe.data.max_s, text=False)
    paths = [data / name for name in recipe.data.manifests]
    clips = manifests.read_all(paths, limits, on_bad=recipe.data.on_bad, say=say)
    emotions = {path.resolve(): emotion for file in paths for path, emotion in _emotions(file)}
    of = {emotion: number for number, names in enumerate(recipe.classes.values()) for emotion in names}
    problems = [
        f"{clip.audio}: no emotion, or no speaker."
        for clip in clips
        if not emotions.get(clip.audio) or not clip.speaker
    ]
    manifests.refuse(problems, recipe.data.on_bad, say)
    found = [
        Spoken(clip, of[emotions[clip.audio]]) for clip in clips if clip.speaker and emotions.get(clip.audio) in of
    ]
    if lacking := [name for number, name in enumerate(recipe.labels) if not any(s.label == number for s in found)]:
        raise DataError(
            f"Nobody plays {', '.join(lacking)}. Mend `classes`; the data has {', '.join(sorted(set(emotions.values())))}."
        )
    return found


def _emotions(file: Path) -> list[tuple[Path, str]]:
    lines = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    return [(file.parent / line["audio"], line.get("emotion") or "") for line in lines]


def callers(recipe: EmotionRecipe, data: Path, say: Say = print) -> dict[str, list[Clip]]:
    """Clips of people who are not angry, by the folder of their manifest: as many of each speaker as the number allows."""
    limits = Limits(max_s=600.0, text=False)
    found = {}
    for name in recipe.data.callers:
        clips = manifests.read_all([data / name], limits, on_bad=recipe.data.on_bad, say=say)
        clips = [clip for clip in clips if clip.duration >= recipe.data.min_s]
        rng = np.random.default_rng(recipe.data.seed)
        clips = [clips[i] for i in rng.permutation(len(clips))]
        turn: Counter[str] = Counter()
        order = {}
        for clip in clips:  # every speaker's first clip, then every speaker's second
            order[clip] = turn[clip.speaker]
            turn[clip.speaker] += 1
        found[Path(name).parent.name] = sorted(clips, key=order.__getitem__)[: recipe.data.callers_each]
    return found


def noise(recipe: EmotionRecipe, data: Path) -> list[Clip]:
    """What may be heard around the speakers in training. Raises DataError."""
    paths = [data / name for name in recipe.data.noises]
    clips = manifests.read_all(paths, Limits(max_s=600.0, text=False)) if paths else []
    if unknown := sorted(set(recipe.data.left_out) - {clip.audio.stem for clip in clips}):
        raise DataError(f"data.left_out: no noise is called {', '.join(unknown)}. Mend the name.")
    return [clip for clip in clips if clip.audio.stem not in recipe.data.left_out]


def noise_licences(recipe: EmotionRecipe, data: Path) -> str:
    """Of what is heard around the speakers, as the manifests say."""
    found = set()
    for name in recipe.data.noises:
        rows = map(json.loads, (data / name).read_text(encoding="utf-8").splitlines())
        found |= {
            row.get("licence") or "not said" for row in rows if Path(row["audio"]).stem not in recipe.data.left_out
        }
    return ", ".join(sorted(found))


def variations(
    spoken: Sequence[Spoken], settings: Augment, seed: int, noises: Sequence[Floats] = ()
) -> list[list[NDArray[np.int16]]]:
    """For each clip its variations as int16: number 0 through the plain line, as it is measured; the others drawn."""
    line = telephony.Telephone(settings.telephone, noises=noises) if settings.phone else None
    made = []
    for each in spoken:
        samples = audio.load(each.clip.audio)
        row = [audio.to_int16(telephony.plain(samples))]
        for number in range(1, settings.variations):
            rng = np.random.default_rng([seed, zlib.crc32(each.name.encode()), number])
            row.append(audio.to_int16(vary(samples, settings, rng, line)))
        made.append(row)
    return made


def by_speaker(spoken: Sequence[Spoken]) -> dict[str, list[int]]:
    """Places in `spoken`."""
    found = defaultdict(list)
    for place, each in enumerate(spoken):
        found[each.clip.speaker].append(place)
    return dict(sorted(found.items()))
