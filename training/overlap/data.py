"""From voices, people and noises to scenes: something is heard over the agent, on a telephone line, and it is known what."""

import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy import signal

from pipelines.models.ports import Audio
from training.common import audio, manifests
from training.common.errors import DataError
from training.common.manifests import Clip, Limits
from training.common.telephony import Telephone, direct, piece
from training.overlap import sounds
from training.overlap.recipe import DataSettings, MixSettings, OverlapRecipe, Part
from training.overlap.speak import KINDS, LANGUAGES, manifest
from training.vad import sounds as line_sounds

Say = Callable[[str], None]
RATE = 16_000
SCENE = int(1.7 * RATE)
"""Samples of a scene."""
_FIRST = (int(0.35 * RATE), int(0.55 * RATE))  # where what is heard begins
_ANY = Limits(min_s=0.08, max_s=600.0, text=False)
_HEAD = 2 * RATE  # of a recording
_TRIM_DB = 30.0


@dataclass(frozen=True)
class Sound:
    """Something a caller says, from its first sound on, its speech at level 1."""

    audio: Audio
    kind: str
    """One of `KINDS`."""
    language: str
    speaker: str
    text: str = ""


@dataclass(frozen=True)
class Scene:
    """A line on which something is heard. `onset`: the sample of its first sound; `begins`: that from which on it is an interruption, -1: never;
    `ends`: where it is over."""

    audio: Audio
    kind: str
    """ "interruptions", "murmurs", "noise", "far" or "echo"."""
    language: str
    speaker: str
    onset: int
    begins: int
    ends: int


@dataclass(frozen=True)
class Prepared:
    """What scenes of one part are made of."""

    said: list[Sound]
    """By voices."""
    people: list[Sound]
    noises: list[Audio]
    rooms: list[Audio]
    hours: float
    clips: int


def prepare(recipe: OverlapRecipe, data: Path, said: Path, part: Part) -> Prepared:
    """Read what one part is made of: `said` as `speak` left it. Raises DataError, which lists all that is wrong."""
    settings = recipe.data
    paths = [manifest(said, part, kind, language) for kind in KINDS for language in LANGUAGES]
    if lacking := [path for path in paths if not path.is_file()]:
        raise DataError(f"{lacking[0]} is missing. Let the voices speak first: allo train overlap-speak.")
    voices = [
        (kind, clip) for path, kind in zip(paths, _kinds(), strict=True) for clip in manifests.read_all([path], _ANY)
    ]
    named = {"train": settings.people, "validation": (), "test": settings.test_people}[part]
    people = [("interruptions", clip) for clip in _clips(settings, data, named)]
    noises = _clips(settings, data, settings.noises)
    if unknown := sorted(set(settings.test_noises) - {clip.audio.name for clip in noises}):
        raise DataError(f"data.test_noises: no file is called {', '.join(unknown)}.")
    tested = part == "test"
    return Prepared(
        said=_sounds(voices),
        people=_sounds(people),
        noises=[audio.load(c.audio) for c in noises if (c.audio.name in settings.test_noises) == tested],
        rooms=[direct(audio.load(clip.audio)) for clip in _clips(settings, data, settings.rooms)],
        hours=sum(clip.duration for _, clip in (*voices, *people)) / 3600,
        clips=len(voices) + len(people),
    )


def _clips(settings: DataSettings, data: Path, names: Sequence[str]) -> list[Clip]:
    clips = manifests.read_all([data / name for name in names], _ANY) if names else []
    return [clip for clip in clips if not {clip.speaker, clip.audio.name} & set(settings.without)]


def _kinds() -> list[str]:
    return [kind for kind in KINDS for _ in LANGUAGES]


def _sounds(clips: Iterable[tuple[str, Clip]]) -> list[Sound]:
    found = []
    for kind, clip in clips:
        heard = audio.trimmed(audio.load(clip.audio), _TRIM_DB)[:_HEAD]
        level = float(np.sqrt(np.square(heard, dtype=np.float64).mean())) if heard.size else 0.0
        if level > 0:
            found.append(Sound(heard / np.float32(level), kind, clip.language, clip.speaker, clip.text or ""))
    return found


class Maker:
    """Scene number i of a seed is always the same."""

    def __init__(self, prepared: Prepared, settings: MixSettings, seed: int) -> None:
        self._prepared, self._settings, self._seed = prepared, settings, seed
        self._line = Telephone(settings.telephone)
        self._by_voice: dict[tuple[str, str], list[Sound]] = defaultdict(list)
        for sound in prepared.said:
            self._by_voice[sound.kind, sound.speaker].append(sound)
        self._voices = {kind: sorted(v for k, v in self._by_voice if k == kind) for kind in KINDS}

    def __call__(self, number: int) -> Scene:
        """One of any kind."""
        s, rng = self._settings, self._rng("scene", number)
        if (draw := rng.random()) < s.interruptions:
            people = self._prepared.people
            if people and rng.random() < s.people:
                return self.of(people[rng.integers(len(people))], rng)
            sound = self._said(rng, "interruptions")
            murmur = self._said(rng, "murmurs") if rng.random() < s.after_murmur else None
            return self.of(sound, rng, murmur)
        if draw < s.interruptions + s.murmurs:
            if rng.random() < s.hums:
                return self.of(Sound(_levelled(sounds.hum(rng)), "murmurs", "", "made up"), rng)
            return self.of(self._said(rng, "murmurs"), rng)
        return self.other(("noise", "noise", "far", "far", "echo")[rng.integers(5)], rng)

    def _rng(self, what: str, number: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, zlib.crc32(what.encode()), number])

    def _said(self, rng: np.random.Generator, kind: str) -> Sound:
        """Each voice as often as any other."""
        voices = self._voices[kind]
        clips = self._by_voice[kind, voices[rng.integers(len(voices))]]
        return clips[rng.integers(len(clips))]

    def of(self, sound: Sound, rng: np.random.Generator | int, murmur: Sound | None = None) -> Scene:
        """`sound` on a line; `murmur` before it, as in "okay, but". A number instead of a generator draws the line by it."""
        if isinstance(rng, int):
            rng = self._rng("sound", rng)
        s, level, heard, joint = self._settings, self._level(rng), sound.audio, 0
        if sound.kind == "murmurs":
            level *= _factor(rng.uniform(*s.murmur_db))
        if murmur is not None:
            gap = np.zeros(int(rng.uniform(0.0, 0.12) * RATE), np.float32)
            joint = murmur.audio.size + gap.size
            heard = np.concatenate((murmur.audio, gap, heard))
        return self._scene(heard * np.float32(level), sound.kind, sound.language, sound.speaker, rng, joint, level)

    def other(self, kind: str, rng: np.random.Generator | int) -> Scene:
        """ "noise", a voice from "far", or the agent's "echo", alone on a line."""
        if isinstance(rng, int):
            rng = self._rng(kind, rng)
        s, level = self._settings, self._level(rng)
        if kind == "noise":
            heard, db, language = self._noise(rng), s.noise_db, ""
        elif kind == "far":
            sound = self._anybody(rng)
            heard, db, language = self._roomy(rng, sound.audio), s.far_db, sound.language
        else:
            sound = self._said(rng, "interruptions")
            heard, db, language = sound.audio, s.echo_db, sound.language
        return self._scene(heard * np.float32(level * _factor(rng.uniform(*db))), kind, language, "", rng, 0, level)

    def _anybody(self, rng: np.random.Generator) -> Sound:
        people = self._prepared.people
        return people[rng.integers(len(people))] if people and rng.random() < 0.5 else self._said(rng, "interruptions")

    def _level(self, rng: np.random.Generator) -> float:
        return _factor(rng.uniform(*self._settings.level_db))

    def _noise(self, rng: np.random.Generator) -> Audio:
        """Of a second or a few tenths of it, at level 1."""
        samples, noises = int(rng.uniform(0.1, 1.2) * RATE), self._prepared.noises
        if (draw := rng.random()) < 0.3:
            heard = sounds.cough(rng)
        elif draw < 0.65 or not noises:
            heard = line_sounds.sound(rng, samples)
        else:
            heard = piece(noises[rng.integers(len(noises))], samples, rng)
        return _levelled(heard)

    def _roomy(self, rng: np.random.Generator, heard: Audio) -> Audio:
        """From across a room: a recorded one, or one made up of echoes that fade (Polack, "La transmission de l'énergie sonore", 1988)."""
        rooms = self._prepared.rooms
        if rooms and rng.random() < 0.3:
            room = rooms[rng.integers(len(rooms))]
        else:
            time = np.arange(int(0.6 * RATE)) / RATE
            echoes = rng.standard_normal(time.size) * 10 ** (-3 * time / rng.uniform(0.15, 0.8))
            direct_share = _factor(rng.uniform(-6, 6)) * np.sqrt(np.square(echoes).sum())
            room = np.concatenate(([direct_share], echoes))
        return _levelled(signal.fftconvolve(heard, room)[: heard.size].astype(np.float32))

    def _scene(
        self, heard: Audio, kind: str, language: str, speaker: str, rng: np.random.Generator, joint: int, level: float
    ) -> Scene:
        s = self._settings
        onset = int(rng.integers(*_FIRST))
        out = np.zeros(SCENE, np.float32)
        heard = heard[: SCENE - onset]
        out[onset : onset + heard.size] = heard
        if rng.random() < s.behind:
            out += self._behind(rng) * np.float32(level * _factor(rng.uniform(*s.behind_db)))
        if rng.random() < s.echo:
            echo = piece(self._said(rng, "interruptions").audio, SCENE, rng)
            out += echo * np.float32(level * _factor(rng.uniform(*s.echo_db)))
        line = self._line(np.clip(out, -1, 1), rng)
        pace = SCENE / line.size  # the line may have changed it
        at = lambda sample: int(sample / pace)  # noqa: E731
        line = np.pad(line, (0, max(0, SCENE - line.size)))[:SCENE]
        begins = at(onset + joint) if kind == "interruptions" else -1
        return Scene(line.astype(np.float32), kind, language, speaker, at(onset), begins, at(onset + heard.size))

    def _behind(self, rng: np.random.Generator) -> Audio:
        noises = self._prepared.noises
        if rng.random() < 0.5 or not noises:
            return _levelled(line_sounds.sound(rng, SCENE))
        return _levelled(piece(noises[rng.integers(len(noises))], SCENE, rng))


def _levelled(heard: Audio) -> Audio:
    return (heard / np.float32(max(np.sqrt(np.square(heard, dtype=np.float64).mean()), 1e-9))).astype(np.float32)


def _factor(db: float) -> float:
    return 10.0 ** (db / 20.0)
