"""The conditions in which voices are compared, all at the band of a good telephone line.

Trials are made within a group (one corpus), never between two: another microphone is not another person.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pipelines.models.ports import Audio
from pipelines.units import SAMPLE_RATE
from training.common import telephony
from training.common.manifests import Clip
from training.speakers.data import spoken
from training.speakers.measures import Trials, pairs

Embed = Callable[[Audio], NDArray[np.float32]]

_LONGEST = 6 * SAMPLE_RATE
_SHORTEST = 3 * SAMPLE_RATE
_SHORT = 2 * SAMPLE_RATE
_MOST = 24  # utterances of a speaker
_ENROLLED = 3


@dataclass
class Group:
    """Utterances of one corpus, 3 to 6 s each where its clips allow; `speakers[i]` spoke `sounds[i]`, in `languages[i]`."""

    name: str
    sounds: list[Audio] = field(default_factory=list)
    speakers: list[int] = field(default_factory=list)
    languages: list[str] = field(default_factory=list)


def groups(clips: Sequence[Clip]) -> list[Group]:
    """A group for each folder of recordings (voices: one for all), longer clips cut in pieces, short ones joined with the same person's next."""
    numbers = {name: number for number, name in enumerate(sorted({clip.speaker for clip in clips}))}
    found: dict[str, Group] = {}
    gathered: dict[tuple[str, str, str], list[Audio]] = defaultdict(list)
    for clip in clips:
        kind = clip.speaker.partition("-")[0]
        name = kind if kind in ("kokoro", "espeak", "pico") else clip.audio.parent.name
        gathered[name, clip.speaker, clip.language].append(spoken(clip))
    for (name, speaker, language), sounds in gathered.items():
        group = found.setdefault(name, Group(name))
        for sound in _utterances(sounds):
            group.sounds.append(sound)
            group.speakers.append(numbers[speaker])
            group.languages.append(language)
    return list(found.values())


def _utterances(sounds: Sequence[Audio]) -> list[Audio]:
    out: list[Audio] = []
    held = np.zeros(0, np.float32)
    for sound in sounds:
        held = np.concatenate((held, sound))
        while len(held) >= _LONGEST + _SHORTEST:
            out.append(held[:_LONGEST])
            held = held[_LONGEST:]
        if len(held) >= _SHORTEST:
            out.append(held[:_LONGEST])
            held = np.zeros(0, np.float32)
    if len(held) >= _SHORT:
        out.append(held)
    return out[:_MOST]


def noisy(sound: Audio, noises: Sequence[Audio], snr_db: float, seed: int) -> Audio:
    """`sound` with a stretch of one of the noises; white noise when there are none."""
    rng = np.random.default_rng(seed)
    if noises:
        noise = noises[rng.integers(len(noises))]
        noise = np.resize(np.roll(noise, -int(rng.integers(len(noise)))), len(sound))
    else:
        noise = rng.standard_normal(len(sound), dtype=np.float32)
    power, added = (float(np.mean(np.square(a, dtype=np.float64))) for a in (sound, noise))
    return sound + noise * np.float32(np.sqrt(power / max(added, 1e-12)) * 10 ** (-snr_db / 20))


def short(sound: Audio, seed: int) -> Audio:
    """Two seconds from a random place."""
    start = int(np.random.default_rng(seed).integers(max(1, len(sound) - _SHORT + 1)))
    return sound[start : start + _SHORT]


@dataclass(frozen=True)
class Heard:
    """A group's embeddings, (n, size) each: as it is, with noise, in two seconds."""

    group: Group
    clean: NDArray[np.float32]
    noisy: NDArray[np.float32]
    short: NDArray[np.float32]


def hear(group: Group, embed: Embed, noises: Sequence[Audio], snr_db: float = 10.0) -> Heard:
    """Every utterance through the plain telephone line, three times."""
    ways: list[list[NDArray[np.float32]]] = [[], [], []]
    for number, sound in enumerate(group.sounds):
        for way, heard in zip(ways, (sound, noisy(sound, noises, snr_db, number), short(sound, number)), strict=True):
            way.append(embed(telephony.plain(np.clip(heard, -1, 1))))
    return Heard(group, *(np.stack(way) for way in ways))


def verification(heard: Sequence[Heard], way: str) -> Trials:
    """Of all groups. `way`: "clean" (both good), "noisy" (the later one with noise), "short" (2 s against 2 s), "enrolled" (three clips
    averaged against a further one), "french" (both in French), "across" (two languages)."""
    none = Trials(np.zeros(0), np.zeros(0, np.int64), np.zeros(0, np.int64))
    return sum((_trials(each, way) for each in heard), none)


def _trials(heard: Heard, way: str) -> Trials:
    speakers = heard.group.speakers
    if way == "enrolled":
        return _enrolled(heard)
    if way == "short":
        return pairs(heard.short, heard.short, speakers)
    if way == "noisy":
        return pairs(heard.clean, heard.noisy, speakers)
    found = pairs(heard.clean, heard.clean, speakers)
    if way in ("across", "french"):
        first, second = np.triu_indices(len(speakers), 1)
        french = np.array(heard.group.languages) == "fr"
        kept = french[first] & french[second] if way == "french" else french[first] != french[second]
        return Trials(found.scores[kept], found.first[kept], found.second[kept])
    return found


def _enrolled(heard: Heard) -> Trials:
    speakers = np.array(heard.group.speakers)
    scores, first, second = [np.zeros(0)], [speakers[:0]], [speakers[:0]]
    for speaker in np.unique(speakers):
        own = np.flatnonzero(speakers == speaker)
        if len(own) <= _ENROLLED:
            continue
        voice = heard.clean[own[:_ENROLLED]].sum(axis=0)
        tested = np.setdiff1d(np.arange(len(speakers)), own[:_ENROLLED])
        scores.append(heard.clean[tested] @ voice / np.linalg.norm(voice))
        first.append(np.full(len(tested), speaker))
        second.append(speakers[tested])
    return Trials(np.concatenate(scores).astype(np.float64), np.concatenate(first), np.concatenate(second))
